// Send one request signed by github.com/lestrrat-go/htmsig, the way the Margo reference device does.
//
// The request is signed for -url and sent in plain HTTP to -connect, as it looks after a load balancer has ended TLS.
// One JSON object with the answer goes to standard output.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
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

	"github.com/lestrrat-go/htmsig"
	"github.com/lestrrat-go/htmsig/component"
	htmsighttp "github.com/lestrrat-go/htmsig/http"
	"github.com/lestrrat-go/htmsig/input"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	keyFile := flag.String("key", "", "PKCS #8 private key, PEM")
	method := flag.String("method", http.MethodGet, "request method")
	url := flag.String("url", "", "URL as the device signs it")
	connect := flag.String("connect", "", "host:port to connect to")
	body := flag.String("body", "", "request body")
	alg := flag.String("alg", "", "alg parameter; empty: none is sent and the key decides, as in the reference device")
	label := flag.String("label", "", "signature label; empty: the library's default")
	flag.Parse()

	key, keyID, err := readKey(*keyFile)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(*method, *url, strings.NewReader(*body))
	if err != nil {
		return err
	}
	components := []component.Identifier{component.Method(), component.TargetURI(), component.Authority()}
	if *body != "" {
		digest := sha256.Sum256([]byte(*body))
		request.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(digest[:])+":")
		request.Header.Set("Content-Type", "application/json")
		components = append(components, component.New("content-digest"))
	}
	if err := sign(request, key, keyID, *alg, *label, components); err != nil {
		return err
	}
	return send(request, *connect)
}

// sign uses the library's client signer, and its lower level where an alg parameter is wanted: the signer has no option for it.
func sign(request *http.Request, key any, keyID, alg, label string, components []component.Identifier) error {
	if alg == "" {
		options := []htmsighttp.SignerOption{htmsighttp.WithComponents(components...)}
		if label != "" {
			options = append(options, htmsighttp.WithLabel(label))
		}
		return htmsighttp.NewSigner(key, keyID, options...).SignRequest(context.Background(), request)
	}
	if label == "" {
		label = "sig"
	}
	definition, err := input.NewDefinitionBuilder().Label(label).KeyID(keyID).Algorithm(alg).
		Created(time.Now().Unix()).Components(components...).Build()
	if err != nil {
		return err
	}
	value := input.NewValueBuilder().AddDefinition(definition).MustBuild()
	ctx := component.WithRequestInfoFromHTTP(context.Background(), request)
	return htmsig.SignRequest(ctx, request.Header, value, key)
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

func send(request *http.Request, connect string) error {
	signedInput := request.Header.Get("Signature-Input")
	request.Host = request.URL.Host
	request.URL.Scheme, request.URL.Host = "http", connect
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, response.Body); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"status": response.StatusCode, "body": answer.String(), "signatureInput": signedInput,
	})
}
