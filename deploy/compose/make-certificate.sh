#!/bin/sh
# Makes the certificate of nginx for https://localhost:8443, good for a try and for nothing else.
set -eu
cd "$(dirname "$0")"
mkdir -p tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout tls/server.key -out tls/server.pem
chmod 0644 tls/server.key   # nginx in its container is another user
