"""Credentials by others' programs: reads a list of tasks from standard input, writes the list of results."""
import base64
import datetime
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


def bytes_of(did):
    key = base58.b58decode(did.split(":")[-1][1:])
    assert key[:2] == b"\xed\x01"
    return key[2:]


def text(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwk(task, name="key"):
    """A key is given as JWK, by the seed of its secret half, or by its did:key."""
    if name in task:
        return task[name]
    bare = {"kty": "OKP", "crv": "Ed25519"}
    if name == "key" and "did" in task:
        return {**bare, "x": text(bytes_of(task["did"]))}
    seed = task["seed"] if name == "key" else task[f"{name}_seed"]
    secret = nacl.signing.SigningKey(bytes([seed]) * 32)
    return {**bare, "x": text(bytes(secret.verify_key)), "d": text(bytes(secret))}


def hashes(document, options):
    return hashlib.sha256(rfc8785.dumps(options)).digest() + hashlib.sha256(rfc8785.dumps(document)).digest()


def covered(document, proofs, options):
    """The document as a proof covers it: without proofs, or with those it is made after."""
    previous = options.get("previousProof", [])
    previous = [previous] if isinstance(previous, str) else previous
    matching = [next(proof for proof in proofs if proof.get("id") == wanted) for wanted in previous]
    return {**document, "proof": matching} if matching else document


def apart(document):
    bare = dict(document)
    proofs = bare.pop("proof", [])
    return bare, [proofs] if isinstance(proofs, dict) else proofs


def issue(task):
    """eddsa-jcs-2022, written down from the Recommendation."""
    document, proofs = apart(task["document"])
    options = {**task["options"], "@context": document["@context"]}
    key = nacl.signing.SigningKey(bytes([task["seed"]]) * 32)
    signature = key.sign(hashes(covered(document, proofs, options), options)).signature
    proofs = [*proofs, {**options, "proofValue": "z" + base58.b58encode(signature).decode()}]
    return {**document, "proof": proofs if len(proofs) > 1 else proofs[0]}


def verify(task):
    document, proofs = apart(task["document"])
    assert proofs
    for proof in proofs:
        options = dict(proof)
        signature = base58.b58decode(options.pop("proofValue")[1:])
        key = bytes_of(options["verificationMethod"].split("#")[1])
        assert document["@context"] == options["@context"]
        nacl.signing.VerifyKey(key).verify(hashes(covered(document, proofs, options), options), signature)
    return True


def moment(task):
    return datetime.datetime.fromtimestamp(int(task["seconds"]), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def tokenize(task):
    header = {"alg": task["alg"], "typ": "vc+jwt", "cty": "vc", "kid": task["kid"]}
    return jws.serialize_compact(header, json.dumps(task["document"]), OKPKey.import_key(jwk(task)), algorithms=[task["alg"]])


def detokenize(task):
    read = jws.deserialize_compact(task["token"], OKPKey.import_key(jwk(task)), algorithms=["EdDSA", "Ed25519"])
    return json.loads(read.payload)


def marked(claims, hidden):
    return {SDObj(name) if name in hidden else name: value for name, value in claims.items()}


def disclose(task):
    """Issues an SD-JWT, and presents part of it with a proof of who presents."""
    issuer, holder = JWK(**jwk(task)), JWK(**jwk(task, "holder"))
    claims = marked(task["claims"], task["hidden"])
    header = {"kid": task["kid"], "typ": task.get("typ", "sd-jwt")}
    issued = SDJWTIssuer(claims, issuer, holder, "EdDSA", True, extra_header_parameters=header)
    held = SDJWTHolder(issued.sd_jwt_issuance)
    held.create_presentation(task["shown"], task["nonce"], task["aud"], holder, sign_alg="EdDSA")
    return {"issued": issued.sd_jwt_issuance, "shown": held.sd_jwt_presentation}


def undisclose(task):
    read = SDJWTVerifier(task["text"], lambda _issuer, _header: JWK(**jwk(task)))
    if "nonce" in task:
        # Its constructor can check ES256 only.
        read._verify_key_binding_jwt(task["aud"], task["nonce"], "EdDSA")
    return read.get_verified_payload()


VERBS = {f.__name__: f for f in [issue, verify, moment, tokenize, detokenize, disclose, undisclose]}
results = []
for task in json.load(sys.stdin)["tasks"]:
    try:
        results.append({"ok": True, "value": VERBS[task["verb"]](task)})
    except Exception as error:  # noqa: BLE001: whatever it is, it is the answer
        results.append({"ok": False, "why": f"{type(error).__name__}: {error}"})
json.dump(results, sys.stdout)
