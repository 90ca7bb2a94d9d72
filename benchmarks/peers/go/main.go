// A verifying proxy as one writes it in Go: httputil.ReverseProxy with github.com/yaronf/httpsign in front.
//
// It looks keys up in a map, checks Content-Digest and the age of the signature, and does not notice repeated requests.
// With -verify-only it answers nginx's auth_request instead of forwarding.
package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/yaronf/httpsign"
)

const label = "sig1"

func main() {
	port := flag.Int("port", 0, "port of 127.0.0.1 to listen on")
	backend := flag.Int("backend", 0, "port of the backend")
	keys := flag.String("keys", "", "JSON object of keyid to public key (PEM)")
	verifyOnly := flag.Bool("verify-only", false, "answer nginx's auth_request")
	flag.Parse()

	verifiers, err := readKeys(*keys)
	if err != nil {
		log.Fatal(err)
	}
	target, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", *backend))
	if err != nil {
		log.Fatal(err)
	}
	var handler http.Handler = forward(verifiers, target)
	if *verifyOnly {
		handler = verify(verifiers)
	}
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port), handler))
}

func forward(verifiers map[string]*httpsign.Verifier, target *url.URL) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	transport.DisableCompression = true
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			request.Out.Host = request.In.Host
		},
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.ContentLength != 0 {
			received := request.Header.Values("Content-Digest")
			if err := httpsign.ValidateContentDigestHeader(received, &request.Body, []string{httpsign.DigestSha256}); err != nil {
				http.Error(answer, err.Error(), http.StatusBadRequest)
				return
			}
		}
		if err := check(verifiers, request); err != nil {
			http.Error(answer, err.Error(), http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(answer, request)
	})
}

func verify(verifiers map[string]*httpsign.Verifier) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		original, err := url.ParseRequestURI(request.Header.Get("X-Original-Uri"))
		if err == nil {
			request.Method, request.URL = request.Header.Get("X-Original-Method"), original
			err = check(verifiers, request)
		}
		if err != nil {
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer.WriteHeader(http.StatusNoContent)
	})
}

// check verifies the signature over what the device called: TLS ended at a load balancer in front.
func check(verifiers map[string]*httpsign.Verifier, request *http.Request) error {
	request.URL.Scheme, request.URL.Host = "https", request.Host
	details, err := httpsign.RequestDetails(label, request)
	if err != nil {
		return err
	}
	verifier, known := verifiers[details.KeyID]
	if !known {
		return fmt.Errorf("unknown key")
	}
	return httpsign.VerifyRequest(label, *verifier, request)
}

func readKeys(path string) (map[string]*httpsign.Verifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys map[string]string
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, err
	}
	verifiers := make(map[string]*httpsign.Verifier, len(keys))
	for keyid, encoded := range keys {
		block, _ := pem.Decode([]byte(encoded))
		if block == nil {
			return nil, fmt.Errorf("the key %s is not PEM", keyid)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, isEC := public.(*ecdsa.PublicKey)
		if !isEC {
			return nil, fmt.Errorf("no verifier for a %T", public)
		}
		config := httpsign.NewVerifyConfig().SetKeyID(keyid).SetNotOlderThan(300 * time.Second)
		verifiers[keyid], err = httpsign.NewP256Verifier(*key, config, httpsign.Headers("@method", "@target-uri"))
		if err != nil {
			return nil, err
		}
	}
	return verifiers, nil
}
