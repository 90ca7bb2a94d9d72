// Send one request signed by github.com/yaronf/httpsign, with that library's own client and its defaults.
//
// The request is signed for -url and sent in plain HTTP to -connect, as it looks after a load balancer has ended TLS.
// One JSON object with the answer goes to standard output.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/yaronf/httpsign"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// plainHop is the load balancer: it ends TLS and hands the request on, Host unchanged.
type plainHop struct {
	connect     string
	signedInput string
}

func (hop *plainHop) RoundTrip(request *http.Request) (*http.Response, error) {
	hop.signedInput = request.Header.Get("Signature-Input")
	onward := request.Clone(request.Context())
	onward.Host = request.URL.Host
	onward.URL.Scheme, onward.URL.Host = "http", hop.connect
	return http.DefaultTransport.RoundTrip(onward)
}

func run() error {
	keyFile := flag.String("key", "", "PKCS #8 private key, PEM")
	method := flag.String("method", http.MethodGet, "request method")
	url := flag.String("url", "", "URL as the device signs it")
	connect := flag.String("connect", "", "host:port to connect to")
	body := flag.String("body", "", "request body")
	rsaKind := flag.String("rsa", "pss", "pss or v1_5")
	alg := flag.Bool("alg", true, "send the alg parameter, as the library does by default")
	digest := flag.String("digest", httpsign.DigestSha256, "Content-Digest algorithms, separated by commas")
	label := flag.String("label", "sig1", "signature label")
	nonce := flag.String("nonce", "", "nonce parameter")
	tag := flag.String("tag", "", "tag parameter")
	validity := flag.Duration("expires", 0, "expires parameter, from now on; 0: none")
	flag.Parse()

	key, keyID, err := readKey(*keyFile)
	if err != nil {
		return err
	}
	fields := httpsign.Headers("@method", "@target-uri", "@authority")
	if *body != "" {
		fields = httpsign.Headers("@method", "@target-uri", "@authority", "content-digest")
	}
	config := httpsign.NewSignConfig().SignAlg(*alg).SetKeyID(keyID).SetNonce(*nonce).SetTag(*tag)
	if *validity != 0 {
		config = config.SetExpires(time.Now().Add(*validity).Unix())
	}
	signer, err := newSigner(key, *rsaKind, config, fields)
	if err != nil {
		return err
	}
	hop := &plainHop{connect: *connect}
	client := httpsign.NewClient(
		http.Client{Transport: hop, Timeout: 20 * time.Second},
		httpsign.NewClientConfig().SetSignatureName(*label).SetSigner(signer).
			SetDigestSchemesSend(strings.Split(*digest, ",")),
	)
	var content io.Reader
	if *body != "" {
		content = strings.NewReader(*body)
	}
	request, err := http.NewRequest(*method, *url, content)
	if err != nil {
		return err
	}
	if *body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"status": response.StatusCode, "body": string(answer), "signatureInput": hop.signedInput,
	})
}

func newSigner(key any, rsaKind string, config *httpsign.SignConfig, fields httpsign.Fields) (*httpsign.Signer, error) {
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		if key.Curve.Params().BitSize == 384 {
			return httpsign.NewP384Signer(*key, config, fields)
		}
		return httpsign.NewP256Signer(*key, config, fields)
	case *rsa.PrivateKey:
		if rsaKind == "v1_5" {
			return httpsign.NewRSASigner(*key, config, fields)
		}
		return httpsign.NewRSAPSSSigner(*key, config, fields)
	case ed25519.PrivateKey:
		return httpsign.NewEd25519Signer(key, config, fields)
	}
	return nil, fmt.Errorf("no signer for a %T", key)
}

// readKey returns the key and its keyid: the hexadecimal SHA-256 of the public key's SPKI in DER.
func readKey(path string) (any, string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, "", errors.New("the key file is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, "", err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, "", fmt.Errorf("a %T cannot sign", key)
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(spki)
	return key, hex.EncodeToString(sum[:]), nil
}
