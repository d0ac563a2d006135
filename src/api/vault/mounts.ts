import { isSecretPath, isUnder } from '../../domain/words/names.ts';
import type { VaultApiConfig } from './config.ts';
import { pathAt, type Mount } from './route.ts';

/** A path of this face that stands for a path at the broker. */
interface PathTarget {
  readonly path: string;
  /** True for a path of KV version 2 that has the versions of a secret, not their values. */
  readonly isMetadata: boolean;
}

/** The part of a path below the mount, before the name: `data/`, `creds/` and the like. */
const KINDS = /^(data|metadata|delete|undelete|destroy|subkeys|creds|static-creds)\/(.+)$/;

/** The configured mounts. None lies below another one, so at most one covers a path. */
export class VaultMounts {
  readonly all: readonly Mount[];

  constructor(config: VaultApiConfig['mounts']) {
    this.all = Object.entries(config).map(([name, { engine, prefix = '' }]) => {
      return { name, engine, prefix };
    });
  }

  /** The mount that covers a path below `/v1/`. */
  find(path: string): Mount | undefined {
    return this.all.find(({ name }) => isUnder(path, name));
  }

  /** The path at the broker for a path that a client names in a body; undefined if there is none. */
  targetOf(text: string): PathTarget | undefined {
    const path = text.replace(/^\/|\/$/g, '');
    const mount = this.find(path);
    if (mount === undefined) return undefined;
    const below = path.slice(mount.name.length + 1);
    const [, kind, rest] = mount.engine === 'kv-v1' ? [] : (KINDS.exec(below) ?? []);
    const name = mount.engine === 'kv-v1' ? below : rest;
    if (name === undefined) return undefined;
    const target = pathAt(mount, name);
    return isSecretPath(target) ? { path: target, isMetadata: kind === 'metadata' } : undefined;
  }
}
