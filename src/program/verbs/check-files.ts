import { constants, existsSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readTlsFiles } from '../../api/server/tls-files.ts';
import { readCertificate } from '../../crypto/certificates/certificate-facts.ts';
import { BrokerError } from '../../domain/errors.ts';
import { isUsableSecret } from '../../auth/alert-sources/alert-sources.ts';
import { systemClock } from '../../process/clock.ts';
import type { Clock } from '../../ports/clock.ts';
import { coreFiles, type CoreFiles } from '../config/process-options.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { openArchiveStorage } from '../log/archive-storage.ts';
import { openCheckpointStorage } from '../log/checkpoint-storage.ts';
import { tryKek } from '../keys/keys.ts';

/** One named file of the configuration that a start or a first use would fail on. */
export interface FileFinding {
  /** JSON pointer of the setting. */
  readonly pointer: string;
  readonly file: string;
  readonly problem: string;
}

/** `init` and the running broker create these. */
const CREATED = ['/kek/path', '/audit/logKeyFile', '/audit/checkpointFile', '/store/path'];
/** Settings that name files which other users must not be able to read. */
const SECRET =
  /\/(?:kek\/path|logKeyFile|keyFile|passwordFile|tokenFile|secretIdFile|secretFile|connectionStringFile|headersFile)$/;
const NAMES_A_FILE = /\/(?:\w*File|kek\/path|store\/path)$/;
const CERTIFICATE = /\/tls\/certificateFile$/;
const ALERT_SECRET = /^\/alerts\/sources\/[^/]+\/authenticate\/(bearer|hmac)\/secretFile$/;
const OTHERS = 0o077;
const OTHER_USER = 'run the command as the user of the broker, for example with sudo -u quaymaster';

/** Checks every file that the configuration names: that it exists, that this user may read it, and that others may not read a secret. */
export async function checkFiles(
  config: Config,
  now = systemClock.now(),
): Promise<readonly FileFinding[]> {
  const findings: FileFinding[] = [];
  // The files of the injector are where it runs, for example in another pod.
  for (const [pointer, file] of namedFiles({ ...config, injector: undefined }, '')) {
    const problem = await checkFile(pointer, file, now);
    if (problem !== undefined) findings.push({ pointer, file, problem });
  }
  for (const [pointer, files] of certificatesIn({ ...config, injector: undefined }, '')) {
    const isReported = findings.some((each) => each.pointer.startsWith(`${pointer}/`));
    const material = isReported ? undefined : readTlsFiles(files);
    await material?.catch(() => {
      const problem = `and ${files.keyFile} cannot be used as certificate and key`;
      findings.push({ pointer, file: files.certificateFile, problem });
    });
  }
  return findings;
}

type TlsFiles = Parameters<typeof readTlsFiles>[0];

/** The files of each listener with TLS. */
function certificatesIn(value: unknown, pointer: string): readonly (readonly [string, TlsFiles])[] {
  if (typeof value !== 'object' || value === null) return [];
  if (pointer.endsWith('/tls') && 'certificateFile' in value) return [[pointer, value as TlsFiles]];
  return Object.entries(value).flatMap(([key, member]) =>
    certificatesIn(member, `${pointer}/${key}`),
  );
}

function namedFiles(value: unknown, pointer: string): readonly (readonly [string, string])[] {
  if (typeof value === 'string') return NAMES_A_FILE.test(pointer) ? [[pointer, value]] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => namedFiles(member, `${pointer}/${key}`));
}

async function checkFile(pointer: string, file: string, now: number): Promise<string | undefined> {
  const found = await stat(file).catch((error: unknown) => ({
    code: (error as NodeJS.ErrnoException).code,
  }));
  if ('code' in found) {
    if (found.code !== 'ENOENT') return `cannot be read: ${found.code ?? 'unknown'}; ${OTHER_USER}`;
    if (pointer === '/audit/checkpointFile') return undefined;
    return CREATED.includes(pointer)
      ? 'does not exist; create it with: quaymaster init'
      : 'does not exist';
  }
  if (!found.isFile()) return 'is not a file';
  const isReadable = await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
  if (!isReadable) return `cannot be read by this user; ${OTHER_USER}`;
  return (await checkText(pointer, file, now)) ?? modeProblem(pointer, file, found.mode);
}

/** Checks the text of a file: an expired certificate, or secrets that the broker does not accept. */
async function checkText(pointer: string, file: string, now: number): Promise<string | undefined> {
  if (CERTIFICATE.test(pointer) && hasExpired(await readFile(file, 'utf8'), now))
    return 'has expired: renew the certificate';
  const [, way] = ALERT_SECRET.exec(pointer) ?? [];
  if (way !== 'bearer' && way !== 'hmac') return undefined;
  const lines = (await readFile(file, 'utf8')).split('\n');
  if (lines.some((line) => isUsableSecret(way, line))) return undefined;
  const least = way === 'bearer' ? '16 characters' : '32 bytes';
  return `has no line of at least ${least}: the broker refuses every alert of this source`;
}

function modeProblem(pointer: string, file: string, all: number): string | undefined {
  const mode = (all & 0o777).toString(8);
  return SECRET.test(pointer) && (all & OTHERS) !== 0
    ? `is open to other users (mode 0${mode}); run: chmod 600 ${file}`
    : undefined;
}

function hasExpired(pem: string, now: number): boolean {
  const { notAfter } = readCertificate(pem) ?? {};
  return notAfter !== undefined && notAfter <= now;
}

/** Validates a configuration, with `withFiles` also the files that it names. @throws ERR_CONFIG_INVALID with every problem */
export async function runConfigCheck(path: string, withFiles: boolean): Promise<string> {
  const config = await loadConfig(path);
  if (!withFiles) return `${path} is valid`;
  const found = await checkFiles(config);
  if (found.length === 0) return `${path} is valid, and its files are there`;
  const lines = found.map(({ pointer, file, problem }) => `  ${pointer}: ${file} ${problem}`);
  throw new BrokerError('ERR_CONFIG_INVALID', `${path}:\n${lines.join('\n')}`);
}

interface Finding {
  readonly about: string;
  readonly state: 'ok' | 'warning' | 'problem';
  readonly text: string;
  readonly cure?: string;
}

/**
 * Finds, for `doctor`, problems of a configuration on this machine: its files, core files, and whether the key-encryption key
 * opens. @throws ERR_CONFIG_INVALID
 */
export async function configFindings(path: string, clock: Clock): Promise<readonly Finding[]> {
  const config = await loadConfig(path);
  return [
    ...(await fileFindings(config, path)),
    ...coreFindings(coreFiles()),
    await kekFinding(config, clock),
    ...(await checkpointFinding(config, clock)),
    ...(await archiveFinding(config, clock)),
  ];
}

/** Checks that the object with the last checkpoint can be read. A file is among the files. */
async function checkpointFinding({ audit }: Config, clock: Clock): Promise<readonly Finding[]> {
  if (audit.checkpoint === undefined) return [];
  const about = 'checkpoint in a bucket';
  const place = await openCheckpointStorage(audit, clock);
  try {
    const isThere = (await place.read()) !== undefined;
    const text = isThere ? 'can be read' : 'does not exist; quaymaster init creates it';
    return [{ about, state: 'ok', text: `${place.name} ${text}` }];
  } catch (error) {
    const { message } = error as Error;
    const cure = 'docs/operations.md, "A checkpoint that cannot be written"';
    return [{ about, state: 'problem', text: message, cure }];
  }
}

/**
 * Checks that the directory or bucket of the archive answers. A read is enough: it needs the address, its credentials and its
 * permissions.
 */
async function archiveFinding(
  { audit: { archive } }: Config,
  clock: Clock,
): Promise<readonly Finding[]> {
  if (archive === undefined) return [];
  const about = 'place of the audit archive';
  try {
    const { to } = archive;
    const isMissing = to.type === 'directory' && !existsSync(to.path);
    const directory = to.type === 'directory' && (isMissing ? dirname(to.path) : to.path);
    if (directory !== false) await access(directory, constants.W_OK | constants.X_OK);
    const place = await openArchiveStorage(to, clock);
    await place.get('quaymaster-doctor', 1);
    const text = isMissing ? 'does not exist yet; the first run creates it' : 'can be reached';
    return [{ about, state: 'ok', text: `${place.name} ${text}` }];
  } catch (error) {
    const { message } = error as Error;
    const cure = 'docs/operations.md, "A failed archive run"';
    return [{ about, state: 'problem', text: `cannot be reached: ${message}`, cure }];
  }
}

async function fileFindings(config: Config, path: string): Promise<readonly Finding[]> {
  const found = await checkFiles(config);
  if (found.length === 0) {
    return [{ about: 'files', state: 'ok', text: `those that ${path} names are there` }];
  }
  return found.map(({ pointer, file, problem }) => ({
    about: `file ${pointer}`,
    state: 'problem',
    text: `${file} ${problem}`,
  }));
}

/** Finds problems of this process's core files: a broker that this user starts on this machine has the same. */
export function coreFindings(found: CoreFiles | undefined): readonly Finding[] {
  if (found === undefined) return [];
  const about = 'core files';
  const text = `core_pattern of this machine is "${found.pattern}"`;
  if (!found.haveMemory) {
    return [{ about, state: 'ok', text: `${text}; they have no memory of a broker` }];
  }
  const cure = 'set the core limit of the broker to 1 (prlimit --core=1, LimitCORE=1)';
  return [{ about, state: 'warning', text: `${text}; after a crash they have its keys`, cure }];
}

async function kekFinding(config: Config, clock: Clock): Promise<Finding> {
  const about = 'key-encryption key';
  try {
    return { about, state: 'ok', text: `${await tryKek(config, clock)} wraps and unwraps` };
  } catch (error) {
    const failure = BrokerError.from(error);
    const text = `${failure.code}: ${failure.message}`;
    return { about, state: 'problem', text, cure: kekCure(failure) };
  }
}

/** The remedy of a key that this command cannot use: it may be lost, or only belong to another user. */
export function kekCure({ code, cause }: Pick<BrokerError, 'code' | 'cause'>): string {
  const { code: errno } = (cause ?? {}) as NodeJS.ErrnoException;
  if (errno === 'EACCES' || errno === 'EPERM' || code === 'ERR_CONFIG_INVALID')
    return 'the key is not lost: run the command as the user of the broker, for example with sudo -u quaymaster, or repair owner and mode of the file; do not create another key';
  return 'without this key the secrets are lost: see docs/disaster-recovery.md, "A lost key-encryption key"; do not create another key, which opens nothing';
}
