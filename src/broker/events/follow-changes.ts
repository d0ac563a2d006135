import { BrokerError } from '../../domain/errors.ts';
import type { ChangeEvent, ChangeKind } from '../../domain/changes/change-event.ts';
import {
  holdsEverywhere,
  holdsFor,
  type Operator,
  type Role,
} from '../../domain/identity/principal.ts';
import { refreshCaller } from '../access/authenticate.ts';
import type { Call } from '../access/call.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Announcements } from '../state/change-streams.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { Feed } from './follow-events.ts';

/**
 * Streams what changed of the things that the operator may list or read.
 * @throws ERR_RATE_LIMITED if the operator has as many streams as it may.
 */
export async function followChanges(
  parts: Recording & Access & Announcements,
  call: Call,
  live: LiveOperator,
): Promise<Feed<ChangeEvent>> {
  let release: (() => void) | undefined;
  try {
    await recordOperation({ parts, call, caller: live }, { action: 'event.follow' }, (now) => {
      release ??= parts.changes.reserve(now.operator.name);
    });
  } catch (error) {
    release?.();
    throw error;
  }
  let holder = live;
  return {
    start: (sink) => {
      const end = parts.changes.start({
        sink: {
          send: (event) => sink.send(event),
          beat: () => sink.beat(),
          end: () => {
            release?.();
            sink.end();
          },
        },
        visible: async (changes) => {
          const now = await refreshCaller(parts, holder).catch(unlessOver);
          if (now === undefined) return undefined;
          holder = now;
          return changes.filter(({ kind, id = '' }) => MAY_SEE[kind](now.operator, id));
        },
      });
      return () => {
        release?.();
        end();
      };
    },
    cancel: () => release?.(),
  };
}

function unlessOver(error: unknown): undefined {
  if (error instanceof BrokerError && error.code === 'ERR_UNAUTHENTICATED') return undefined;
  throw error;
}

const LEASES: readonly Role[] = ['responder', 'auditor'];

type Rule = (operator: Operator, id: string) => boolean;

/** One of the roles without a scope, or `admin`. */
function anywhere(...roles: readonly Role[]): Rule {
  return (operator) => roles.some((role) => holdsEverywhere(operator, role));
}

/** One of the roles for the path, or `admin`. */
function forPath(...roles: readonly Role[]): Rule {
  return (operator, path) => roles.some((role) => holdsFor(operator, role, path));
}

/**
 * Decides for each kind which operators learn of a change. The roles are those of the operations that show the thing (`access.ts`); where the scope of a
 * thing is in its content, a role with a scope is not enough.
 */
const MAY_SEE: Readonly<Record<ChangeKind, Rule>> = {
  secret: forPath('secret-reader', 'secret-editor', ...LEASES),
  rotation: forPath('rotator', 'auditor'),
  session: anywhere(...LEASES),
  lease: anywhere(...LEASES),
  quarantine: anywhere(...LEASES),
  alert: anywhere(...LEASES),
  evidence: anywhere('evidence-writer', 'policy-editor', ...LEASES),
  attestation: anywhere('evidence-writer', 'policy-editor', ...LEASES),
  document: maySeeDocument,
  token: (operator, id) => id === operator.tokenId || holdsEverywhere(operator, 'admin'),
  approval: anywhere('admin'),
  keys: anywhere('admin'),
};

/** The id of a document is its kind and its name. */
function maySeeDocument(operator: Operator, id: string): boolean {
  const slash = id.indexOf('/');
  switch (id.slice(0, slash)) {
    case 'definition':
      return holdsFor(operator, 'secret-editor', id.slice(slash + 1));
    case 'policy':
    case 'posture-profile':
    case 'response-rule':
      return holdsEverywhere(operator, 'policy-editor');
    default:
      return holdsEverywhere(operator, 'admin');
  }
}
