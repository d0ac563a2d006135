// A receiver of rotations (internals/spec/webhook-v1.md). Its target is a file of accounts, each with the hashes of its valid passwords.
// Put the calls of your own system into `steps`. Keep everything above and below them.
import { Buffer } from 'node:buffer';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import process from 'node:process';

const { KEY_FILE, CERT_FILE, CERT_KEY_FILE, ACCOUNTS_FILE } = process.env;
const { HOST = 'localhost', PORT = '8443' } = process.env;
const key = readFileSync(KEY_FILE, 'utf8').replace(/\r?\n$/, '');
const MOST_BYTES = 4 * 2 ** 20;
const MOST_AGE = 300;

const macOf = (direction, at, id, body) =>
  createHmac('sha256', key)
    .update(`quaymaster-webhook-v1-${direction}\n${at}\n${id}\n${body.length}\n`)
    .update(body)
    .digest();

/** Accepted deliveries, by id, with their time. Each delivery is accepted only once; a retried step has another id. */
const seen = new Map();

/** The id of a delivery that is signed, fresh and new; otherwise undefined. */
function accept(header, body) {
  const [, at, id, mac] = /^t=(\d{1,12}),id=(\w{1,64}),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (mac === undefined) return undefined;
  if (!timingSafeEqual(Buffer.from(mac, 'hex'), macOf('request', at, id, body))) return undefined;
  const now = Math.floor(Date.now() / 1000);
  for (const [old, when] of seen) if (now - when > 2 * MOST_AGE) seen.delete(old);
  if (Math.abs(now - Number(at)) > MOST_AGE || seen.has(id)) return undefined;
  seen.set(id, now);
  return id;
}

const hash = ({ password }) => createHash('sha256').update(password).digest('hex');
const without = (hashes, value) => hashes.filter((each) => each !== hash(value));
const done = (accepts) => ({ answer: { outcome: 'done' }, accepts });
const conflict = (reason) => ({ answer: { outcome: 'conflict', reason } });

/** Each step can be repeated after a lost answer, and must then change nothing. `accepts`: the hashes that work now. */
const steps = {
  // The same rotation gets the same password, so that a lost answer leaves no unknown password behind.
  create: ({ rotation, target }) => {
    const password = createHmac('sha256', key).update(`make\n${rotation}\n${target}`);
    return { answer: { outcome: 'done', pending: { password: password.digest('base64url') } } };
  },
  set: ({ slots, pending }, accepts) =>
    done([...(slots === 'two' ? without(accepts, pending) : []), hash(pending)]),
  test: ({ value }, accepts) => ({
    answer: accepts.includes(hash(value))
      ? { outcome: 'accepted' }
      : { outcome: 'refused', reason: 'login_refused' },
  }),
  retire: ({ current, previous }, accepts) =>
    hash(current) === hash(previous) ? conflict('in_use') : done(without(accepts, previous)),
  discard: ({ slots, current, pending }, accepts) => {
    const others = slots === 'two' ? without(accepts, pending) : [];
    return done(current === undefined ? others : [...without(others, current), hash(current)]);
  },
};

function perform(request) {
  const accounts = JSON.parse(readFileSync(ACCOUNTS_FILE, 'utf8'));
  // Only `target` decides what may change, because the operators of the broker limit it. The author of a definition writes values and `data`.
  const [, segment = ''] = /^accounts\/([^/]+)$/.exec(request.target) ?? [];
  const name = decodeURIComponent(segment);
  if (!Object.hasOwn(accounts, name)) return conflict('not_found').answer;
  if (request.version !== 1 || !Object.hasOwn(steps, request.step)) return conflict('other').answer;
  const { answer, accepts } = steps[request.step](request, accounts[name]);
  if (accepts === undefined) return answer;
  writeFileSync(`${ACCOUNTS_FILE}.new`, JSON.stringify({ ...accounts, [name]: accepts }));
  renameSync(`${ACCOUNTS_FILE}.new`, ACCOUNTS_FILE);
  return answer;
}

async function read(incoming) {
  const chunks = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length > MOST_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tls = { cert: readFileSync(CERT_FILE), key: readFileSync(CERT_KEY_FILE) };
const server = createServer(tls, (incoming, outgoing) => void answer(incoming, outgoing));

async function answer(incoming, outgoing) {
  try {
    const body = await read(incoming);
    const id = accept(incoming.headers['quaymaster-signature'] ?? '', body);
    if (id === undefined) return outgoing.writeHead(401).end();
    const bytes = Buffer.from(JSON.stringify({ version: 1, ...perform(JSON.parse(body)) }));
    const at = Math.floor(Date.now() / 1000);
    const mac = macOf('answer', at, id, bytes).toString('hex');
    outgoing.setHeader('Quaymaster-Signature', `t=${at},id=${id},v1=${mac}`);
    return outgoing.writeHead(200, { 'content-type': 'application/json' }).end(bytes);
  } catch {
    // The answer contains no text of the error: it may contain a value.
    return outgoing.writeHead(500).end();
  }
}

server.listen(Number(PORT), HOST, () => {
  process.stdout.write(`listening on ${server.address().port}\n`);
});
