#!/bin/sh
# Makes the certificates of this folder anew, with the openssl command (3.x) and easy-rsa 3.
# All leaves of one algorithm share a key. The tests take it to be 2027-01-01.
set -eu
cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

DB=none
export DB
long_ago=20160101000000Z
far=20991231235959Z

cat > ca.cnf <<'CNF'
[ ca ]
default_ca = default
[ default ]
new_certs_dir = .
database = $ENV::DB/index.txt
serial = $ENV::DB/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
email_in_dn = yes
[ any ]
C = optional
ST = optional
L = optional
O = optional
OU = optional
CN = optional
emailAddress = optional
UID = optional
[ req ]
distinguished_name = dn
utf8 = yes
string_mask = utf8only
[ dn ]
[ authority ]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign,cRLSign
subjectKeyIdentifier = hash
[ not_a_signer ]
basicConstraints = critical,CA:TRUE
keyUsage = digitalSignature
[ server ]
basicConstraints = CA:FALSE
keyUsage = digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
[ client ]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
[ both ]
extendedKeyUsage = serverAuth,clientAuth
[ netscape ]
nsCertType = server
[ plain ]
subjectKeyIdentifier = hash
[ crl ]
authorityKeyIdentifier = keyid
CNF

# authority NAME SUBJECT: a self-signed CA
authority() {
    mkdir "$1.db" && : > "$1.db/index.txt" && echo 1000 > "$1.db/serial"
    openssl genrsa -out "$1.key" 2048
    openssl req -new -key "$1.key" -subj "$2" -config ca.cnf -out "$1.csr"
    DB=$1.db openssl ca -batch -notext -config ca.cnf -selfsign -keyfile "$1.key" -in "$1.csr" -out "$1.crt" \
        -extensions authority -startdate "${3:-$long_ago}" -enddate "${4:-$far}"
}

# leaf NAME SUBJECT EXTENSIONS [KEY [CA [START [END [MORE...]]]]]
leaf() {
    name=$1 subject=$2 extensions=$3 key=${4:-rsa.key} ca=${5:-ca} start=${6:-$long_ago} end=${7:-$far}
    if [ $# -gt 7 ]; then shift 7; else shift $#; fi
    openssl req -utf8 -new -key "$key" -subj "$subject" -config ca.cnf -out "$name.csr"
    DB=$ca.db openssl ca -batch -notext -config ca.cnf -keyfile "$ca.key" -cert "$ca.crt" -in "$name.csr" \
        -out "$name.crt" -extensions "$extensions" -startdate "$start" -enddate "$end" -preserveDN "$@"
}

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key
openssl rsa -in rsa.key -traditional -out rsa-pkcs1.key
openssl pkey -in rsa.key -aes256 -passout pass:secret -out encrypted.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.key
openssl ec -in p256.key -out p256-sec1.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key
openssl genpkey -algorithm ED25519 -out ed25519.key
openssl genrsa -out rsa1024.key 1024

authority ca "/C=XX/O=Example/CN=Example CA"
authority lookalike-ca "/C=XX/O=Example/CN=Example CA"
authority stranger-ca "/CN=Stranger CA"

leaf server "/C=XX/O=Example/CN=server" server
leaf client "/C=XX/O=Example/CN=client1" client
leaf server-p256 "/CN=server" server p256.key
leaf client-p384 "/CN=client-p384" client p384.key
leaf client-ed25519 "/CN=client-ed25519" client ed25519.key
leaf both "/CN=both" both
leaf netscape "/CN=netscape" netscape
leaf plain "/CN=plain" plain
leaf expired "/CN=expired" client rsa.key ca 20200101000000Z 20240131120000Z
leaf future "/CN=future" client rsa.key ca 20300101000000Z
leaf recent "/CN=recent" client rsa.key ca 20260101000000Z
leaf client-3023 "/CN=client-3023" client rsa.key ca $long_ago 30230504120000Z
leaf no-cn "/O=Nameless" client
leaf ca-as-client "/CN=a CA" authority
leaf sha1 "/CN=sha1" client rsa.key ca $long_ago $far -md sha1
leaf rsa1024 "/CN=rsa1024" client rsa1024.key
leaf lookalike "/CN=lookalike" client rsa.key lookalike-ca
leaf stranger "/CN=stranger" client rsa.key stranger-ca
leaf names "$(printf '/C=XX/ST=Prague, West/L=Plze\305\210/O=A\\+B=C/OU=back\\\\slash/OU=two\nlines/CN=first+UID=u1/CN=na\tme/emailAddress=me@example.org')" plain

# between NAME SUBJECT EXTENSIONS: a CA under the first one
between() {
    mkdir "$1.db" && : > "$1.db/index.txt" && echo 2000 > "$1.db/serial"
    openssl genrsa -out "$1.key" 2048
    leaf "$1" "$2" "$3" "$1.key"
}

# A chain of three; and one whose middle may not sign.
between intermediate "/CN=Intermediate CA" authority
leaf deep "/CN=deep" client rsa.key intermediate
between not-a-signer "/CN=Not a signer" not_a_signer
leaf misled "/CN=misled" client rsa.key not-a-signer

# Once more the CA, of the same key, as it was before its renewal.
DB=ca.db openssl ca -batch -notext -config ca.cnf -selfsign -keyfile ca.key -in ca.csr -out ca-expired.crt \
    -extensions authority -startdate 20160101000000Z -enddate 20251231000000Z

leaf revoked "/CN=revoked" client
DB=ca.db openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -revoke revoked.crt
DB=ca.db openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl -crlexts crl \
    -crl_lastupdate $long_ago -crl_nextupdate $far -out crl.pem
DB=ca.db openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl -crlexts crl \
    -crl_lastupdate $long_ago -crl_nextupdate 20260101000000Z -out crl-expired.pem
DB=ca.db openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl \
    -crl_lastupdate $long_ago -crl_nextupdate $far -out crl-v1.pem

# As a user of easy-rsa has it: a text dump before the PEM block.
EASYRSA_BATCH=1 EASYRSA_PKI=$work/pki EASYRSA_REQ_CN="Easy-RSA CA" EASYRSA_CA_EXPIRE=40000 EASYRSA_CERT_EXPIRE=39000
export EASYRSA_BATCH EASYRSA_PKI EASYRSA_REQ_CN EASYRSA_CA_EXPIRE EASYRSA_CERT_EXPIRE
easyrsa=${EASYRSA:-/usr/share/easy-rsa/easyrsa}
"$easyrsa" init-pki
"$easyrsa" build-ca nopass
unset EASYRSA_REQ_CN
"$easyrsa" build-client-full client1 nopass
cp pki/ca.crt easyrsa-ca.crt
# The CA of somebody who chose EC.
openssl req -x509 -key p256.key -subj "/CN=Easy-RSA CA" -config ca.cnf -extensions authority -days 40000 \
    -out easyrsa-ca-p256.crt
cp pki/issued/client1.crt easyrsa-client.crt
cp pki/private/client1.key easyrsa-client.key

rm -f ./[0-9A-F]*.pem
rm ca.key lookalike-ca.key stranger-ca.key lookalike-ca.crt intermediate.key not-a-signer.key
cp ./*.crt ./*.key ./*.pem "$here"

