// Credentials by others' programs: reads a list of tasks from standard input, writes the list of results.
import {readFileSync} from 'node:fs';
import * as vc from '@digitalbazaar/vc';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as didKey from '@digitalbazaar/did-method-key';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import * as jcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as rdfc from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as jose from 'jose';

const {tasks, contexts} = JSON.parse(readFileSync(0));
const resolver = didKey.driver();
resolver.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: Ed25519Multikey.from});

async function documentLoader(url) {
  if(url.startsWith('did:key:')) {
    return {contextUrl: null, documentUrl: url, document: await resolver.get({url})};
  }
  if(contexts[url]) {
    return {contextUrl: null, documentUrl: url, document: contexts[url]};
  }
  return vc.defaultDocumentLoader(url);
}

async function key(seed) {
  const bare = await Ed25519Multikey.generate({seed: new Uint8Array(32).fill(seed)});
  const {publicKeyMultibase} = await bare.export({publicKey: true});
  const controller = `did:key:${publicKeyMultibase}`;
  return Ed25519Multikey.generate({id: `${controller}#${publicKeyMultibase}`, controller, seed: new Uint8Array(32).fill(seed)});
}

async function jwk(bare, secret) {
  const raw = await bare.export({publicKey: true, secretKey: secret, raw: true});
  const text = bytes => Buffer.from(bytes).toString('base64url');
  return {kty: 'OKP', crv: 'Ed25519', x: text(raw.publicKey), ...(secret && {d: text(raw.secretKey.slice(0, 32))})};
}

// A key is given as JWK, by the seed of its secret half, or by its did:key.
async function keyOf(task, secret) {
  if(task.key) {
    return task.key;
  }
  return jwk(task.did ? await Ed25519Multikey.from({
    type: 'Multikey', id: task.did, controller: task.did, publicKeyMultibase: task.did.slice('did:key:'.length)
  }) : await key(task.seed), secret);
}

async function sign(task) {
  const signer = (await key(task.seed)).signer();
  return task.suite === 'eddsa-jcs-2022' ?
    new DataIntegrityProof({signer, date: task.date, cryptosuite: jcs.createSignCryptosuite()}) :
    new DataIntegrityProof({signer, date: task.date, cryptosuite: rdfc.cryptosuite});
}

const verifiers = () => [
  new DataIntegrityProof({cryptosuite: jcs.createVerifyCryptosuite()}),
  new DataIntegrityProof({cryptosuite: rdfc.cryptosuite}),
];

// Of several proofs it is content with one; here all are asked for.
function result({verified, error, results = []}) {
  return {ok: verified && results.every(one => one.verified), why: verified ? undefined : JSON.stringify(error?.errors?.map(e => e.message) ?? error?.message)};
}

const verbs = {
  // Who signs with this seed.
  async who(task) {
    const {id, controller} = await key(task.seed);
    return {ok: true, value: {did: controller, method: id}};
  },
  async issue(task) {
    return {ok: true, value: await vc.issue({credential: task.document, suite: await sign(task), documentLoader})};
  },
  async verify(task) {
    return result(await vc.verifyCredential({credential: task.document, suite: verifiers(), documentLoader, now: task.date}));
  },
  async present(task) {
    const presentation = vc.createPresentation({verifiableCredential: task.credentials, holder: task.holder, verify: false});
    const {challenge, domain} = task;
    return {ok: true, value: await vc.signPresentation({presentation, suite: await sign(task), challenge, domain, documentLoader})};
  },
  async check(task) {
    const {challenge, domain} = task;
    return result(await vc.verify({presentation: task.document, suite: verifiers(), challenge, domain, documentLoader, now: task.date}));
  },
  async tokenize(task) {
    const privateKey = await jose.importJWK(await keyOf(task, true), task.alg);
    const token = new jose.SignJWT(task.document).setProtectedHeader({alg: task.alg, typ: 'vc+jwt', cty: 'vc', kid: task.kid});
    return {ok: true, value: await token.sign(privateKey)};
  },
  async detokenize(task) {
    const key = await jose.importJWK(await keyOf(task, false), task.alg);
    const options = {algorithms: ['EdDSA', 'Ed25519'], typ: 'vc+jwt', currentDate: new Date(task.date)};
    const {payload, protectedHeader} = await jose.jwtVerify(task.token, key, options);
    return {ok: true, value: payload, header: protectedHeader};
  },
  // How many a second, one after another.
  async measure(task) {
    const rates = {};
    for(const suite of ['eddsa-jcs-2022', 'eddsa-rdfc-2022']) {
      const signing = {...task, suite};
      let signed;
      rates[`issue ${suite}`] = await rate(task.count, async () => {
        signed = await vc.issue({credential: structuredClone(task.document), suite: await sign(signing), documentLoader});
      });
      rates[`verify ${suite}`] = await rate(task.count, async () => {
        const options = {credential: signed, suite: verifiers(), documentLoader, now: task.date};
        if(!(await vc.verifyCredential(options)).verified) {
          throw new Error('not verified');
        }
      });
    }
    return {ok: true, value: rates};
  }
};

async function rate(count, act) {
  await act();
  const since = process.hrtime.bigint();
  for(let n = 0; n < count; n++) {
    await act();
  }
  return count / (Number(process.hrtime.bigint() - since) / 1e9);
}

const results = [];
for(const task of tasks) {
  try {
    results.push(await verbs[task.verb](task));
  } catch(error) {
    results.push({ok: false, why: String(error?.message ?? error)});
  }
}
process.stdout.write(JSON.stringify(results));
