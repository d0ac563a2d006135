import type { Route } from '../request/route.ts';
import type { Caller } from '../../broker/access/call.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import type { VaultApiConfig } from './config.ts';

export interface Mount {
  readonly name: string;
  readonly engine: VaultApiConfig['mounts'][string]['engine'];
  /** Path at the broker below which the names of the mount lie; '' for all paths. */
  readonly prefix: string;
}

/** A request whose path belongs to an operation. */
export interface Matched {
  /** The mount of the path, for the operations of engines. */
  readonly mount: Mount | undefined;
  /** The part of the path that the operation names, as the client wrote it; '' if it names none. */
  readonly name: string;
  /** The path at the broker of that name. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
}

/** Makes the route of one request. Its steps, limits and records are those of the broker's own API. */
export type CallerRoute = (asked: Matched) => Route<Caller>;
export type OperatorRoute = (asked: Matched) => Route<LiveOperator>;
export type PublicRoute = (asked: Matched) => Route<undefined>;

export function pathAt({ prefix }: Pick<Mount, 'prefix'>, name: string): string {
  return prefix === '' || name === '' ? prefix + name : `${prefix}/${name}`;
}
