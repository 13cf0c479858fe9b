"""Credentials by others' programs: reads a list of tasks from standard input, writes the list of results."""
import hashlib
import json
import sys
import warnings

import base58
import nacl.signing
import rfc8785
from joserfc import jws
from joserfc.jwk import OKPKey
from jwcrypto.jwk import JWK
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

warnings.simplefilter("ignore")


def hashes(document, options):
    return hashlib.sha256(rfc8785.dumps(options)).digest() + hashlib.sha256(rfc8785.dumps(document)).digest()


def issue(task):
    """eddsa-jcs-2022, written down from the Recommendation."""
    document, options = task["document"], task["options"]
    options = {**options, "@context": document["@context"]}
    key = nacl.signing.SigningKey(bytes([task["seed"]]) * 32)
    signature = key.sign(hashes(document, options)).signature
    return {**document, "proof": {**options, "proofValue": "z" + base58.b58encode(signature).decode()}}


def verify(task):
    document = dict(task["document"])
    options = dict(document.pop("proof"))
    signature = base58.b58decode(options.pop("proofValue")[1:])
    key = base58.b58decode(options["verificationMethod"].split("#")[1][1:])
    assert key[:2] == b"\xed\x01" and document["@context"] == options["@context"]
    nacl.signing.VerifyKey(key[2:]).verify(hashes(document, options), signature)
    return True


def tokenize(task):
    header = {"alg": task["alg"], "typ": "vc+jwt", "cty": "vc", "kid": task["kid"]}
    return jws.serialize_compact(header, json.dumps(task["document"]), OKPKey.import_key(task["key"]), algorithms=[task["alg"]])


def detokenize(task):
    read = jws.deserialize_compact(task["token"], OKPKey.import_key(task["key"]), algorithms=["EdDSA", "Ed25519"])
    return json.loads(read.payload)


def marked(claims, hidden):
    return {SDObj(name) if name in hidden else name: value for name, value in claims.items()}


def disclose(task):
    """Issues an SD-JWT, and presents part of it with a proof of who presents."""
    issuer, holder = JWK(**task["key"]), JWK(**task["holder"])
    claims = marked(task["claims"], task["hidden"])
    header = {"kid": task["kid"], "typ": "sd-jwt"}
    issued = SDJWTIssuer(claims, issuer, holder, "EdDSA", True, extra_header_parameters=header)
    held = SDJWTHolder(issued.sd_jwt_issuance)
    held.create_presentation(task["shown"], task["nonce"], task["aud"], holder, sign_alg="EdDSA")
    return {"issued": issued.sd_jwt_issuance, "shown": held.sd_jwt_presentation}


def undisclose(task):
    read = SDJWTVerifier(task["text"], lambda _issuer, _header: JWK(**task["key"]))
    if "nonce" in task:
        # Its constructor can check ES256 only.
        read._verify_key_binding_jwt(task["aud"], task["nonce"], "EdDSA")
    return read.get_verified_payload()


VERBS = {f.__name__: f for f in [issue, verify, tokenize, detokenize, disclose, undisclose]}
results = []
for task in json.load(sys.stdin)["tasks"]:
    try:
        results.append({"ok": True, "value": VERBS[task["verb"]](task)})
    except Exception as error:  # noqa: BLE001: whatever it is, it is the answer
        results.append({"ok": False, "why": f"{type(error).__name__}: {error}"})
json.dump(results, sys.stdout)
