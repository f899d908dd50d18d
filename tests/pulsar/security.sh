#!/bin/sh
# What a broker needs that speaks only TLS and lets in only who has its token, made in the current folder: a CA (ca.pem),
# a certificate of it, a token of a superuser (token), and the broker's settings: `security.sh PORT ADMIN_PORT`.
set -eu

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=broker -keyout broker.key -out broker.csr 2>/dev/null
echo subjectAltName=IP:127.0.0.1 >names
openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out broker.pem 2>/dev/null

# A JWT is two base64url texts and their HMAC.
base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}
openssl rand -out secret 32
claims=$(printf '{"alg":"HS256"}' | base64url).$(printf '{"sub":"alpes"}' | base64url)
key=$(od -An -tx1 secret | tr -d ' \n')
printf '%s.%s' "$claims" "$(printf %s "$claims" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64url)" >token

cat >settings <<END
brokerServicePort=
webServicePort=
brokerServicePortTls=$1
webServicePortTls=$2
tlsCertificateFilePath=$PWD/broker.pem
tlsKeyFilePath=$PWD/broker.key
authenticationEnabled=true
authenticationProviders=org.apache.pulsar.broker.authentication.AuthenticationProviderToken
tokenSecretKey=data:;base64,$(openssl base64 -A -in secret)
authorizationEnabled=true
superUserRoles=alpes
brokerClientTlsEnabled=true
brokerClientTrustCertsFilePath=$PWD/ca.pem
brokerClientAuthenticationPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken
brokerClientAuthenticationParameters=token:$(cat token)
END
