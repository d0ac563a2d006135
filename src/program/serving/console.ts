import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenerConfig } from '../../api/config.ts';
import { ConsoleFiles } from '../../api/console/console-files.ts';
import type { ConsoleDeps, OpeningCode } from '../../api/console/console.ts';
import { createListener, type Faces } from '../../api/server/app.ts';
import { createServer, type ApiServer, type ServerDeps } from '../../api/server/server.ts';
import type { TurnedAway } from '../metrics/serving-metrics.ts';
import type { Config } from '../config/schema.ts';

/** The API shares its address with the console, unless the console has its own. */
export function listenerOf({ console }: Config, faces: Faces): RequestListener {
  return createListener(console.listener === undefined ? faces : { ...faces, console: undefined });
}

export function addressOf(
  listener: Pick<ListenerConfig, 'tls' | 'host'>,
  { port }: AddressInfo,
): string {
  return `${schemeOf(listener)}://${listener.host}:${port}`;
}

function schemeOf({ tls }: Pick<ListenerConfig, 'tls'>): string {
  return tls === undefined ? 'http' : 'https';
}

/** @throws ERR_CONFIG_INVALID if the console is enabled and was not built */
export function consoleOf(
  { console, listener }: Config,
  code: OpeningCode | undefined,
): ConsoleDeps | undefined {
  if (!console.enabled) return undefined;
  const scheme = schemeOf(console.listener ?? listener);
  return { files: ConsoleFiles.read(), origin: console.origin, scheme, code };
}

/** Reports whether the build made the files of the console: a source tree has none until `npm run build`. */
export function isConsoleBuilt(): boolean {
  return ConsoleFiles.areBuilt();
}

interface Shown {
  readonly faces: Faces;
  readonly listeners: Map<string, TurnedAway>;
  /** The address of the API. */
  readonly url: string;
}

/** Listens at the console's own address, if it has one. @returns the address of its page; undefined if the broker serves none */
export async function listenForConsole(
  { console: { listener, origin } }: Config,
  { faces, listeners, url }: Shown,
  deps: ServerDeps,
): Promise<{ readonly servers: readonly ApiServer[]; readonly url: string | undefined }> {
  if (faces.console === undefined) return { servers: [], url: undefined };
  if (listener === undefined) return { servers: [], url: `${origin ?? url}/console/` };
  const at = { ...listener, trustedProxies: [] };
  const server = await createServer(faces.console.createListener(), at, deps);
  listeners.set('console', server.connections);
  const own = addressOf(listener, await server.listen());
  return { servers: [server], url: `${origin ?? own}/console/` };
}
