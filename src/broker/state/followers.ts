import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { Change } from '../../ports/store.ts';
import type { DocumentKind } from '../model/kinds.ts';
import type { Catalog } from './catalog.ts';
import type { EnrolledClusters } from './enrolled-clusters.ts';
import type { MetadataMemory } from './metadata-memory.ts';
import type { OperatorTokens } from './operator-token-memory.ts';
import type { Quarantines } from './quarantine-memory.ts';
import type { Sessions } from './session-memory.ts';
import type { CanaryValues, ValueCache } from './value-cache.ts';

/** A part of memory that follows the committed changes of some kinds. */
export interface Follower {
  readonly kinds: readonly string[];
  /** Reads everything at the start. @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write */
  readonly load?: () => Promise<void>;
  /** Drops everything that the change made outdated, as soon as the change arrives. */
  readonly forget?: (change: Change) => void;
  /** Reads a row again. It is repeated until it succeeds, and no decision is stamped with the change before that. */
  readonly refresh?: (key: string) => Promise<void>;
  /** The broker was sealed: drops values and everything that a key proved. */
  readonly clear?: () => void;
}

/** The parts of memory that every broker has. */
export interface CoreMemory {
  readonly catalog: Catalog;
  readonly sessions: Sessions;
  readonly tokens: OperatorTokens;
  readonly values: ValueCache;
  readonly metadata: MetadataMemory;
  readonly canaries: CanaryValues;
  readonly quarantines: Quarantines;
  readonly enrolled: EnrolledClusters;
  readonly keyring: Keyring;
  /** Reads the root keys of the store into the ring. */
  readonly rereadKeys: () => Promise<void>;
}

/** The start of the key of a change that made a root key the active one. */
const ACTIVE = 'active/';

/** The followers of every broker. */
export function coreFollowers(memory: CoreMemory): readonly Follower[] {
  const { catalog, sessions, tokens, values, canaries, quarantines, keyring, rereadKeys } = memory;
  const { metadata, enrolled } = memory;
  return [
    {
      kinds: ['document'],
      load: () => catalog.load(),
      refresh: (key) => {
        const { kind, name } = documentOfChange(key);
        return catalog.refresh(kind, name);
      },
    },
    {
      kinds: ['canary'],
      load: () => canaries.load(),
      refresh: (name) => canaries.refresh(name),
    },
    {
      kinds: ['quarantine'],
      load: () => quarantines.load(),
      refresh: (fence) => quarantines.refresh(fence),
    },
    {
      kinds: ['enrolment'],
      load: () => enrolled.load(),
      refresh: (cluster) => enrolled.refresh(cluster),
      clear: () => enrolled.clear(),
    },
    {
      kinds: ['secret'],
      forget: ({ key }) => values.drop(key),
      clear: () => values.seal(),
    },
    {
      kinds: ['metadata'],
      forget: ({ key }) => metadata.drop(key),
      clear: () => metadata.clear(),
    },
    {
      kinds: ['session', 'leases'],
      forget: ({ kind, key }) => sessions.changed(kind as 'session' | 'leases', key),
      clear: () => sessions.clear(),
    },
    {
      kinds: ['token'],
      forget: ({ key }) => tokens.changed(key),
      clear: () => tokens.clear(),
    },
    {
      kinds: ['root-keys'],
      forget: ({ key }) => {
        if (key.startsWith(ACTIVE)) keyring.promote(key.slice(ACTIVE.length));
      },
      refresh: rereadKeys,
    },
  ];
}

/** The key of a document change is `<kind>/<name>`; the name of a definition contains slashes itself. */
export function documentOfChange(key: string): {
  readonly kind: DocumentKind;
  readonly name: string;
} {
  const slash = key.indexOf('/');
  return { kind: key.slice(0, slash) as DocumentKind, name: key.slice(slash + 1) };
}
