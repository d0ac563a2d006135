import type { Caller } from '../../broker/access/call.ts';
import type { Rights } from '../../broker/state/dependencies.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { BrokerError } from '../../domain/errors.ts';
import { neededRoles } from '../../domain/identity/needed-roles.ts';
import { isUnder } from '../../domain/words/names.ts';
import type { Grant, Operator } from '../../domain/identity/principal.ts';
import type { Operation } from '../contract/access.ts';

interface Refused {
  readonly parts: Rights;
  readonly caller: Caller | undefined;
  readonly operation: Operation;
}

/**
 * Adds to a refusal the facts that an operator may know. A denial names the roles that the operation needs and those of the
 * token: both are known to the caller, and the text is the same whatever exists. A path without a mount names the mounts at which
 * the operator may list secrets. Workloads learn neither, but that an operation is for operators.
 */
export function explainRefusal(
  { parts, caller, operation }: Refused,
  error: BrokerError,
): BrokerError {
  if (caller === undefined || error.isDetailShown) return error;
  if (caller instanceof LiveSession) {
    return error.reason === 'operator_only' ? shown(error, OPERATORS_ONLY) : error;
  }
  if (error.code === 'ERR_DENIED') return shown(error, needed(operation, caller.operator));
  if (error.code === 'ERR_NOT_FOUND' && error.reason === 'no_mount') {
    return shown(error, mounted(parts, caller.operator));
  }
  return error;
}

const OPERATORS_ONLY = 'only operators may call this; the session is of a workload';

function shown({ code, reason, cause }: BrokerError, detail: string): BrokerError {
  return new BrokerError(code, detail, {
    cause,
    isDetailShown: true,
    ...(reason !== undefined && { reason }),
  });
}

function needed({ who, roles }: Operation, { grants }: Operator): string {
  if (who === 'workload') return 'only workloads may call this; the token is of an operator';
  const own = grants.length === 0 ? 'no role' : grants.map(grantText).join(', ');
  return `this ${neededRoles(roles)}, with a scope that covers the request; the token has ${own}`;
}

function grantText({ role, scope }: Grant): string {
  return scope.length === 0 ? role : `${role} for ${scope.join(' and ')}`;
}

const OF_SECRETS: readonly string[] = ['secret-reader', 'secret-editor', 'rotator', 'admin'];

function mounted({ catalog }: Rights, { grants }: Operator): string {
  const scopes = grants.filter(({ role }) => OF_SECRETS.includes(role)).map(({ scope }) => scope);
  const prefixes = catalog.mounts
    .all()
    .map(({ spec }) => spec.prefix)
    .filter((prefix) =>
      scopes.some(
        (scope) =>
          scope.length === 0 || scope.some((own) => isUnder(own, prefix) || isUnder(prefix, own)),
      ),
    )
    .sort();
  const known = prefixes.length === 0 ? 'you see no mount' : `mounts: ${prefixes.join(', ')}`;
  return `no mount covers this path; ${known}`;
}
