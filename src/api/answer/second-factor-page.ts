/**
 * The page on which people use their security keys. The command line opens it with its order behind `#`, which browsers do not
 * send: the action, and the port of 127.0.0.1 that gets the answer. So an answer reaches only the terminal that asked for it: an
 * attacker with a stolen session who sends a person a link to this page gains nothing. The page has no style, because its policy
 * allows none.
 */
export const KEY_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Quaymaster: security key</title>
<h1>Security key</h1>
<p id="person"></p>
<p>Continue only if you ran a quaymaster command that opened this page.</p>
<button id="use" type="button" hidden></button>
<p id="state" role="status"></p>
<textarea id="answer" aria-label="Answer for the terminal" rows="8" cols="80" readonly hidden></textarea>
<script src="/second-factor.js"></script>
</html>
`;

/** Takes only a port from the order, so that it cannot send the answer to another machine. */
export const KEY_SCRIPT = `'use strict';
const $ = (id) => document.getElementById(id);
const say = (text) => { $('state').textContent = text; };
const padded = (text) => text.replaceAll('-', '+').replaceAll('_', '/');
const unpadded = (text) => text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const keys = ({ credentials }) => credentials.map((id) => ({ type: 'public-key', id }));
const TIMEOUT = 240000;

function readOrder() {
  const text = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  return JSON.parse(atob(padded(text)));
}

async function register(order) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON({
    rp: { id: order.rpId, name: 'Quaymaster' },
    user: { id: order.userId, name: order.person, displayName: order.person },
    challenge: order.challenge,
    pubKeyCredParams: order.algorithms.map((alg) => ({ type: 'public-key', alg })),
    timeout: TIMEOUT,
    excludeCredentials: keys(order),
    authenticatorSelection: { residentKey: 'discouraged', userVerification: 'required' },
    attestation: 'none',
  });
  const { id, response } = (await navigator.credentials.create({ publicKey })).toJSON();
  const { clientDataJSON, attestationObject } = response;
  return { id, clientDataJSON, attestationObject };
}

async function prove(order) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
    challenge: order.challenge,
    rpId: order.rpId,
    timeout: TIMEOUT,
    allowCredentials: keys(order),
    userVerification: 'required',
  });
  const { id, response } = (await navigator.credentials.get({ publicKey })).toJSON();
  const { clientDataJSON, authenticatorData, signature } = response;
  return { id, clientDataJSON, authenticatorData, signature };
}

function hand(answer, { port, state }) {
  const text = unpadded(btoa(JSON.stringify(answer)));
  if (Number.isInteger(port) && port > 0 && port < 65536) {
    const query = new URLSearchParams({ state, answer: text });
    location.replace('http://127.0.0.1:' + port + '/callback?' + query);
    return;
  }
  say('Copy this text into the terminal where you ran quaymaster, and into no other place.');
  $('answer').value = text;
  $('answer').hidden = false;
  $('answer').select();
}

async function use(order) {
  $('use').disabled = true;
  say('');
  try {
    hand(await (order.purpose === 'register' ? register(order) : prove(order)), order);
  } catch (error) {
    $('use').disabled = false;
    say(error.name === 'InvalidStateError'
      ? 'This key is registered already. Use another one.'
      : 'The key did not confirm (' + error.name + '). Use the button to retry.');
  }
}

function begin() {
  let order;
  try {
    order = readOrder();
  } catch {
    say('Run quaymaster login --step-up or quaymaster second-factor add, which open this page.');
    return;
  }
  $('person').textContent = 'For ' + order.person;
  $('use').textContent = order.purpose === 'register' ? 'Register a key' : 'Use your key';
  $('use').hidden = false;
  $('use').addEventListener('click', () => void use(order));
}

begin();
`;
