import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '../../process/clock.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Grant } from '../../domain/identity/principal.ts';
import { selfSigned } from '../../crypto/certificates/self-signed.ts';
import { generateKeyPair } from '../../crypto/keys/key-pair.ts';
import { randomBytes } from '../../crypto/random/random.ts';
import { createLog } from '../../process/log.ts';
import { bearer, BrokerClient } from '../../client/index.ts';
import { initialise } from '../installation/initialise.ts';
import { serve, type ServeDeps, type Serving } from '../serving/serve.ts';
import type { Config } from '../config/schema.ts';
import { onSignals } from '../serving/on-signals.ts';
import { devConfig, devFiles, type DevFiles } from './dev-config.ts';
import { guide } from './guide.ts';
import { DevIssuer } from './issuer.ts';
import { OneTimeCode } from './one-time-code.ts';
import { devPods } from './pods.ts';
import { demonstrateScan, SCANNED_POD } from './scan-demonstration.ts';
import { DEMO_POD, demonstrate, seed } from './seed.ts';

const OPERATOR_TOKEN_SECONDS = 30 * 86_400;
const DAY_MS = 86_400_000;
/** Lets the operator read back what it stored in the mounts of the demonstration and of the quickstart. */
const READER: Grant = { role: 'secret-reader', scope: ['demo', 'shop'] };
const TOKEN_REFRESH_MS = 600_000;

/**
 * Development mode: a broker with embedded defaults on loopback, an issuer in place of a cluster, and a small demonstration.
 * @throws ERR_CONFIG_INVALID
 */
export async function runDev(
  options: { readonly directory: string; readonly port: string },
  print: (text: string) => void,
): Promise<void> {
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_534) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      '--port must be a number from 0 to 65534; the next port is for clients of the Vault HTTP API',
    );
  }
  const files = devFiles(resolve(options.directory));
  const issuer = await openFiles(files);
  const config = devConfig(files, issuer.keySetFile, port);
  const log = createLog({ level: config.log.level, clock: systemClock });
  const consoleCode = new OneTimeCode(systemClock);
  let isShowing = false;
  const deps: ServeDeps = {
    clock: systemClock,
    log,
    consoleCode,
    pods: new Map([['dev', devPods([DEMO_POD, SCANNED_POD], systemClock.now())]]),
    onAnswered: (answered) => {
      if (isShowing) print(requestLine(answered, systemClock.now()));
    },
  };
  const serving =
    (await serveWithKeptToken(files, config, deps)) ??
    (await serveWithNewToken(files, config, deps, print));
  const isStopping = onSignals(serving, log);
  // After a signal, the broker closes: its answers are failures, and lines to paste would find no broker.
  const printUntilSignal = (text: string): void => {
    if (!isStopping()) print(text);
  };
  const shown = { files, issuer, serving, consoleCode, print: printUntilSignal };
  try {
    await showDemonstration(shown);
  } catch (error) {
    // A signal during the demonstration closes the broker, so its next request fails.
    if (!isStopping()) throw error;
  }
  // The lines above report the requests of the demonstration itself.
  isShowing = true;
}

/** Parts that the demonstration uses. */
interface Shown {
  readonly files: DevFiles;
  readonly issuer: DevIssuer;
  readonly serving: Serving;
  readonly consoleCode: OneTimeCode;
  readonly print: (text: string) => void;
}

/** Prints what the broker answers to a few pods, then lines to paste. */
async function showDemonstration(shown: Shown): Promise<void> {
  const { files, issuer, serving, consoleCode, print } = shown;
  const operatorToken = await readTrimmed(files.operatorToken);
  // The demonstration shows the first answer, also one that a client would retry.
  const client = new BrokerClient({ url: serving.url, tries: 1 });
  const operator = client.as(bearer(operatorToken));
  for (const line of await seed(operator)) print(line);
  const podToken = await issuer.token(DEMO_POD, systemClock.now());
  for (const line of await demonstrate(client, podToken)) print(line);
  const scanned = {
    client,
    operator,
    clock: systemClock,
    token: await issuer.token(SCANNED_POD, systemClock.now()),
    alertSecret: await readTrimmed(files.alertSecret),
  };
  for (const line of await demonstrateScan(scanned)) print(line);
  client.close();
  await keepTokenFresh(files, issuer);
  await mkdir(files.secrets, { recursive: true, mode: 0o700 });
  await writeFile(files.agentConfig, devAgentConfig(serving.url, files), { mode: 0o600 });
  const { consoleUrl } = serving;
  const link = consoleUrl && `${consoleUrl}#code=${consoleCode.create(operatorToken)}`;
  print(guide(serving, files, link));
}

/** @throws ERR_CONFIG_INVALID if the directory is of another user, or cannot be written */
async function openFiles(files: DevFiles): Promise<DevIssuer> {
  try {
    await mkdir(files.directory, { recursive: true, mode: 0o700 });
    await createAlertSecret(files);
    await createPartnerBundle(files);
    return await DevIssuer.open(files.directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof BrokerError || code === undefined) throw error;
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${files.directory} cannot be used (${code}); choose a directory that you may write: --directory DIR`,
    );
  }
}

async function readTrimmed(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}

/** Keeps the secret of an earlier start, which the shells of its reader know. */
async function createAlertSecret({ alertSecret }: DevFiles): Promise<void> {
  const secret = randomBytes(32).toString('hex');
  try {
    await writeFile(alertSecret, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Authorities that expire soon, so that the page has something to show. No cluster uses them. */
async function createPartnerBundle({ partnerBundle }: DevFiles): Promise<void> {
  const now = systemClock.now();
  const pem = selfSigned('ec-p256', await generateKeyPair('ec-p256'), {
    commonName: 'partner.example',
    dnsNames: ['partner.example'],
    ipAddresses: [],
    notBefore: new Date(now - 356 * DAY_MS),
    notAfter: new Date(now + 9 * DAY_MS),
  });
  await writeFile(partnerBundle, pem, { mode: 0o600 });
}

/**
 * Serves with the operator's token of an earlier start, so that a restart does not end the profiles and the shells that use it. Undefined if there is
 * no such token, or if the broker does not accept it for another day.
 */
async function serveWithKeptToken(
  files: DevFiles,
  config: Config,
  deps: ServeDeps,
): Promise<Serving | undefined> {
  const needed = [files.operatorToken, files.store, files.kek, files.logKey];
  const present = await Promise.all(
    needed.map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (present.includes(false)) return undefined;
  const serving = await serve(config, deps);
  const client = new BrokerClient({ url: serving.url });
  const token = bearer(await readTrimmed(files.operatorToken));
  const own = client.as(token).call('readOwnToken');
  const endsAt = await own.then(
    ({ body }) => Date.parse(body.endsAt),
    () => 0,
  );
  client.close();
  if (endsAt > systemClock.now() + DAY_MS) return serving;
  await serving.stop('the operator token expires');
  return undefined;
}

/** Creates the missing parts, and a new operator's token instead of the earlier one. */
async function serveWithNewToken(
  files: DevFiles,
  config: Config,
  deps: ServeDeps,
  print: (text: string) => void,
): Promise<Serving> {
  const tokenFile = files.operatorToken;
  await rm(tokenFile, { force: true });
  const options = { tokenFile, tokenTtlSeconds: OPERATOR_TOKEN_SECONDS, extraGrants: [READER] };
  const { created } = await initialise(config, options, deps);
  for (const what of created) print(`created ${what}`);
  return serve(config, deps);
}

const VERDICTS: Readonly<Record<number, string>> = {
  401: 'no valid token',
  403: 'denied',
  404: 'not found',
  409: 'conflict',
  412: 'another version',
  429: 'too many requests',
};

/** Formats one line on the terminal for a request: time, caller, operation, and outcome. */
export function requestLine(
  { method, path, identity, status }: Parameters<NonNullable<ServeDeps['onAnswered']>>[0],
  now: number,
): string {
  const time = new Date(now).toISOString().slice(11, 19);
  const who = identity?.startsWith('k8s://') === true ? identity : identity && 'operator';
  const verdict = VERDICTS[status] ?? (status < 400 ? 'ok' : 'refused');
  return `${time}  ${who ?? 'anonymous'}  ${method} ${path}  ${status} ${verdict}`;
}

/** Writes the demonstration pod's token, and its login request for `curl -d @file`, and renews both before the token expires. */
async function keepTokenFresh(files: DevFiles, issuer: DevIssuer): Promise<void> {
  const token = await issuer.token(DEMO_POD, systemClock.now());
  await writeFile(files.podToken, token, { mode: 0o600 });
  await writeFile(join(files.directory, 'login.json'), JSON.stringify({ cluster: 'dev', token }), {
    mode: 0o600,
  });
  systemClock.after(TOKEN_REFRESH_MS, () => void keepTokenFresh(files, issuer));
}

/** The configuration of the demonstration pod's agent: docs/agent.md. */
function devAgentConfig(url: string, files: DevFiles): string {
  return `broker: { url: '${url}' }
cluster: dev
tokenFile: ${files.podToken}
directory: ${files.secrets}
secrets:
  - { path: demo/shop/db, file: db.env, format: dotenv }
  - { path: demo/shop/api, file: api, format: files }
`;
}
