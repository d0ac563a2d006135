import { chmod, mkdir, open, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config } from '../config/schema.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { OperatorTokens, type OperatorToken } from '../../broker/state/operator-token-memory.ts';
import { KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import {
  documentFence,
  authenticateDocument,
  authenticateDocumentVersion,
  type StoredDocument,
} from '../../broker/model/document.ts';
import { parseSpec } from '../../broker/model/schema.ts';
import { createLogKeyFile } from '../../audit/records/log-key.ts';
import { generateSigningKey } from '../../crypto/signatures/signing.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { randomId } from '../../crypto/random/random.ts';
import { newToken } from '../../crypto/random/token.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Grant } from '../../domain/identity/principal.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Plan, Store } from '../../ports/store.ts';
import { openStore, type OpenedStore } from '../../store/index.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import { AuditTrail, beginLog, openBootLog, type BegunLog } from '../log/audit-trail.ts';
import { openCheckpointStorage } from '../log/checkpoint-storage.ts';
import { initialiseAlone } from './initialise-alone.ts';
import { createGuard, openState, textOf } from './guarded-state.ts';
import {
  keepKeys,
  loadKeys,
  makeKeys,
  type InstallationKeys,
} from '../../broker/keys/installation-keys.ts';
import { INSTALLATION } from '../../broker/keys/root-key-rows.ts';
import { dataDirectory, openWrappers } from '../keys/keys.ts';

export interface InitialiseOptions {
  /** The path of the token file, which is created with mode 0600. */
  readonly tokenFile: string;
  readonly tokenTtlSeconds: number;
  /** Grants of the operator beside `admin`. Development mode lets its user read back what it stored. */
  readonly extraGrants?: readonly Grant[];
}

export interface Initialised {
  readonly created: readonly string[];
  readonly operator: string;
  readonly tokenEndsAt: number;
}

type TokenOptions = InitialiseOptions & { readonly file: FileHandle };

const BOOTSTRAP_OPERATOR = 'bootstrap';

/**
 * Creates missing parts of an installation (key files, store, root key) and issues one short-lived operator token. It needs local access to the
 * store, so an attacker who empties the store gains no token. If it runs again, it issues another token and changes nothing else.
 * @throws ERR_CONFIG_INVALID
 * @throws ERR_CONFLICT if the token file exists or another process initialises the store.
 * @throws ERR_STORE_UNAVAILABLE if a broker holds the store.
 */
export async function initialise(
  config: Config,
  options: InitialiseOptions,
  deps: { readonly clock: Clock; readonly log: Log },
): Promise<Initialised> {
  const { tokenFile } = options;
  // Creates the file first: a token that cannot be saved would be lost but still valid.
  const file = await openTokenFile(tokenFile);
  try {
    return await initialiseWith(config, { ...options, file }, deps);
  } catch (error) {
    await rm(tokenFile, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function initialiseWith(
  config: Config,
  options: TokenOptions,
  deps: { readonly clock: Clock; readonly log: Log },
): Promise<Initialised> {
  const { clock } = deps;
  const logKey = await createLogKey(config);
  const begun = await beginLog(config, clock);
  const guard = createGuard(deps);
  const { chain } = begun;
  const store = await openStore(config.store, { chain, clock, mode: config.mode, guard });
  try {
    return await initialiseAlone(store, clock, async () => {
      const parts = { ...deps, begun, store, guard };
      const made = await initialiseStore(config, options, parts);
      return { ...made, created: [...logKey, ...made.created] };
    });
  } finally {
    await store.close();
  }
}

interface OpenDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly begun: BegunLog;
  readonly store: OpenedStore;
  readonly guard: RowGuard;
}

async function initialiseStore(
  config: Config,
  options: TokenOptions,
  { clock, log, begun, store, guard }: OpenDeps,
): Promise<Initialised> {
  const isNew = (await store.get('meta', { key: INSTALLATION })) === undefined;
  const created = isNew ? await createKek(config) : [];
  const wrappers = await openWrappers(config, clock);
  const inStore = config.audit.logKey === 'store' ? generateSigningKey() : undefined;
  const made = isNew ? await makeKeys(wrappers, clock, inStore) : undefined;
  const keys = made ?? (await loadKeys(store, wrappers));
  const bootLog = await openBootLog(begun, config, store, keys);
  const rows = new KeyringRowMacs(keys.keyring);
  guard.open({ keyring: keys.keyring, rows });
  const trail = new AuditTrail(bootLog, {
    config: { ...config, audit: { ...config.audit, sinks: [] } },
    store,
    outside: await openCheckpointStorage(config.audit, clock),
    rows,
    isNew,
    clock,
    log,
  });
  try {
    const { held } = await trail.start();
    if (held !== undefined)
      throw new BrokerError('ERR_HELD', `the store is held (${held})${isNew ? NOT_EMPTY : ''}`);
    if (made !== undefined) {
      // An installation without a log is held, so the log gets its first checkpoint before the installation exists.
      await trail.integrator.integrate();
      await keepKeys(store, made);
      const also = inStore === undefined ? '' : ' and the signing key of the log';
      created.push(`the store with its first root key${also}`);
    }
    const { identity } = bootLog;
    const problems = await openState(store, guard, { clock, log, keys, identity });
    if (problems.length > 0) throw new BrokerError('ERR_HELD', textOf(problems));
    const token = await mint(store, keys, clock, options);
    await writeToken(options, token.text);
    return { created, operator: BOOTSTRAP_OPERATOR, tokenEndsAt: token.stored.endsAt };
  } finally {
    await trail.stop('initialised');
  }
}

const NOT_EMPTY =
  ': an init before this one was interrupted, or the place of the checkpoint has that of another log; use an empty store and an empty place';

/**
 * Creates the log key, only for a new installation. If the log key of an existing store is lost, a new key would prove nothing
 * about its log.
 */
async function createLogKey({ store, audit }: Config): Promise<string[]> {
  if (audit.checkpointFile !== undefined) await privateDirectory(dirname(audit.checkpointFile));
  if (store.type === 'sqlite') await privateDirectory(dirname(store.path));
  if (audit.logKeyFile === undefined || (await exists(audit.logKeyFile))) return [];
  if (store.type === 'sqlite' && (await exists(store.path))) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `the store ${store.path} is there, its log key ${audit.logKeyFile} is not: restore the key file`,
    );
  }
  await privateDirectory(dirname(audit.logKeyFile));
  await createLogKeyFile(audit.logKeyFile);
  return [`the log's signing key ${audit.logKeyFile}`];
}

/** Creates the key-encryption key, only for a new store. A new key cannot unwrap the root keys of an existing store. */
async function createKek(config: Config): Promise<string[]> {
  const { kek } = config;
  if (kek.type !== 'local-file' || (await exists(kek.path))) return [];
  const { createKeyFile } = await import('../../providers/embedded/kek.ts');
  await privateDirectory(dirname(kek.path));
  await createKeyFile({ path: kek.path, dataDirectory: dataDirectory(config) });
  return [`the key-encryption key ${kek.path}`];
}

async function mint(
  store: Store,
  keys: InstallationKeys,
  clock: Clock,
  options: InitialiseOptions,
): Promise<{ readonly text: string; readonly stored: OperatorToken }> {
  const rows = new KeyringRowMacs(keys.keyring);
  const actor = new SystemActor({ clock, digest: sha256Hex }, 'initialise');
  const tokens = new OperatorTokens(store, { keyring: keys.keyring, rows, digest: sha256Hex });
  const now = clock.now();
  const operator = await bootstrapOperator(store, options.extraGrants ?? [], now);
  const stored: OperatorToken = {
    id: randomId('tok'),
    operator: operator.name,
    operatorUid: operator.uid,
    spec: {
      sourceCidrs: [],
      description: 'made by quaymaster init',
      minters: [],
      operatorVersion: operator.version,
    },
    createdAt: now,
    endsAt: now + options.tokenTtlSeconds * 1000,
  };
  const text = newToken('qmo');
  const { kind, name, version } = operator;
  const lift = await planQuarantineLift(store, actor);
  await store.commit({
    writes: [
      ...lift.writes,
      { table: 'documents', put: authenticateDocument(rows, operator) },
      { table: 'document_versions', put: authenticateDocumentVersion(rows, operator) },
      { table: 'operator_tokens', put: tokens.rowOf(stored, tokens.hash(text)) },
    ],
    invalidates: [...lift.invalidates, documentFence(kind, name), `document:${kind}/${name}`],
    entries: [
      ...lift.entries,
      actor.entry({
        action: 'document.write',
        outcome: 'ok',
        document: { kind, name, version },
        cause: 'init',
      }),
      actor.entry({
        action: 'operator-token.create',
        outcome: 'ok',
        token: stored.id,
        document: { kind, name },
        endsAt: stored.endsAt,
      }),
    ],
  });
  return { text, stored };
}

/** A quarantine must not lock out an operator with local access to the store. An operator that can lift all quarantines is the way to recover. */
async function planQuarantineLift(
  store: Store,
  actor: SystemActor,
): Promise<Required<Pick<Plan, 'writes' | 'invalidates' | 'entries'>>> {
  const key = { kind: 'operator', subject: BOOTSTRAP_OPERATOR };
  const row = await store.get('quarantines', key);
  if (row === undefined) return { writes: [], invalidates: [], entries: [] };
  const document = { kind: key.kind, name: key.subject };
  return {
    writes: [{ table: 'quarantines', remove: key }],
    invalidates: [`quarantine:operator:${BOOTSTRAP_OPERATOR}`],
    entries: [
      actor.entry({
        action: 'quarantine.lift',
        outcome: 'ok',
        cause: 'initialised',
        quarantine: row.id,
        document,
      }),
    ],
  };
}

/** Creates the bootstrap operator again each time, so that tokens of an earlier run end with the old uid. */
async function bootstrapOperator(
  store: Store,
  extraGrants: readonly Grant[],
  now: number,
): Promise<StoredDocument<'operator'>> {
  const body = {
    description: 'made by quaymaster init; create operators of your own, then delete it',
    grants: [{ role: 'admin' }, ...extraGrants],
  };
  const before = await store.get('documents', { kind: 'operator', name: BOOTSTRAP_OPERATOR });
  return {
    kind: 'operator',
    name: BOOTSTRAP_OPERATOR,
    uid: randomId('doc'),
    version: (before?.version ?? 0) + 1,
    body,
    spec: parseSpec('operator', body),
    updatedAt: now,
    updatedBy: 'quaymaster init',
  };
}

/** @throws ERR_CONFLICT if the file exists, ERR_CONFIG_INVALID if it cannot be created */
async function openTokenFile(path: string): Promise<FileHandle> {
  try {
    await privateDirectory(dirname(path));
  } catch (error) {
    throw unusable(path, 'made', error);
  }
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(path, 'made', error);
    throw new BrokerError('ERR_CONFLICT', `${path} exists; move it away or name another file`);
  }
}

function unusable(path: string, verb: 'made' | 'written', error: unknown, what = ''): BrokerError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new BrokerError('ERR_CONFIG_INVALID', `${path} cannot be ${verb}: ${code}${what}`);
}

/** @throws ERR_CONFIG_INVALID if it cannot be written; the next run revokes the token with its operator */
async function writeToken(
  { file, tokenFile }: { readonly file: FileHandle; readonly tokenFile: string },
  token: string,
): Promise<void> {
  try {
    await file.chmod(0o600);
    await file.writeFile(`${token}\n`);
    await file.sync();
  } catch (error) {
    const again = '; run it again with another file, which ends the token that was made';
    throw unusable(tokenFile, 'written', error, again);
  }
}

/** Creates a directory with mode 0700. An existing one stays as it is. */
async function privateDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made !== undefined) await chmod(path, 0o700);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
