import type { OpenedTraces } from '../../process/trace/index.ts';
import type { Config } from '../config/schema.ts';
import { createFaces, OWN_FACE, surroundingsOf, type ApiDeps } from '../../api/server/app.ts';
import { schemesOf } from '../../api/config.ts';
import type { OpeningCode } from '../../api/console/console.ts';
import { SourceAddress } from '../../api/request/source-address.ts';
import { readinessOf } from '../../api/routes/probes.ts';
import { Drain } from '../../api/request/drain.ts';
import { MalformedRequests } from '../../api/request/malformed-requests.ts';
import { createServer, type ApiServer } from '../../api/server/server.ts';
import { readCertificate } from '../../crypto/certificates/certificate-facts.ts';
import { randomBytes, randomFraction, randomId } from '../../crypto/random/random.ts';
import { addressOf, consoleOf, listenerOf, listenForConsole } from './console.ts';
import { Closings } from './close-stack.ts';
import type { ConfigReload, Reloadable } from '../broker/config-reload.ts';
import { NO_CHANGE, reloadable } from '../../ports/configuration.ts';
import { openBroker, type BrokerDeps, type RunningBroker } from '../broker/broker.ts';
import {
  certificateMetrics,
  configurationMetrics,
  listenerMetrics,
  traceMetrics,
  type TurnedAway,
} from '../metrics/serving-metrics.ts';
import { routesOf } from '../../features/options.ts';
import { allMetrics } from './all-metrics.ts';
import { readBrokerStatus } from './broker-status.ts';
import { ConfiguredCertificates } from './configured-certificates.ts';
import { Instruments } from './instruments.ts';
import type { VaultApiDeps } from './vault-api.ts';
import { CertificateWatch } from '../upkeep/certificate-watch.ts';
import { VERSION } from '../../process/version.ts';

const DRAIN_MS = 25_000;

/** A listening broker. */
export interface Serving {
  /** The base URL, for example `https://127.0.0.1:8200`. */
  readonly url: string;
  /** The base URL for clients of the Vault HTTP API; undefined without that listener. */
  readonly vaultUrl?: string | undefined;
  /** The address of the console; undefined if the broker serves none. */
  readonly consoleUrl: string | undefined;
  readonly broker: RunningBroker;
  /** Reads the configuration file and the certificate again, and reopens the files of sinks. Failures are logged. */
  reload(): Promise<void>;
  /** Completes requests in flight, refuses new ones, and stops everything. A second call waits for the first. */
  stop(cause: string): Promise<void>;
}

export type ServeDeps = BrokerDeps &
  Pick<ApiDeps, 'onAnswered'> & {
    /** Runs when the broker is open, before it listens: it frees the address. */
    readonly beforeListening?: () => Promise<void>;
    /** Metrics and probes that answer since the process began; absent: they are opened here. */
    readonly instruments?: Instruments;
    /** Code of development mode that opens the console. */
    readonly consoleCode?: OpeningCode;
  };

/** Opens the broker and listens. @throws as `openBroker`, and ERR_CONFIG_INVALID if it cannot listen on an address. It then closes everything. */
export async function serve(config: Config, given: ServeDeps): Promise<Serving> {
  const instruments = given.instruments ?? (await Instruments.open(config, given));
  try {
    return await serveWith(config, { ...given, instruments });
  } catch (error) {
    if (given.instruments === undefined) await instruments.close();
    throw error;
  }
}

type InstrumentedDeps = ServeDeps & { readonly instruments: Instruments };

async function serveWith(config: Config, given: InstrumentedDeps): Promise<Serving> {
  const beside = new Closings();
  const traces = await openTraces(config, given);
  const deps = { ...given, trace: traces?.trace };
  try {
    const broker = await openBroker(config, deps);
    try {
      return await listen(config, deps, { broker, beside, traces });
    } catch (error) {
      await beside.close();
      await broker.close('start_failed');
      throw error;
    }
  } catch (error) {
    await traces?.close();
    throw error;
  }
}

interface Opened {
  readonly broker: RunningBroker;
  /** Listeners besides the one of the API. */
  readonly beside: Closings;
  readonly traces: OpenedTraces | undefined;
}

/** Loads the code of traces only if the configuration has them. */
async function openTraces(
  { traces }: Config,
  { clock, log }: BrokerDeps,
): Promise<OpenedTraces | undefined> {
  if (traces === undefined) return undefined;
  const opened = await import('../../process/trace/index.ts');
  const random = { bytes: randomBytes, fraction: randomFraction };
  return opened.OpenedTraces.open(traces, { clock, log, random, release: VERSION });
}

async function listen(
  config: Config,
  deps: InstrumentedDeps,
  { broker, beside, traces }: Opened,
): Promise<Serving> {
  const { parts } = broker;
  const { reload, instruments } = deps;
  const { metrics } = instruments;
  const drain = new Drain();
  const listeners = new Map<string, TurnedAway>();
  metrics.add(listenerMetrics(listeners));
  const unready = (): readonly string[] => broker.unready();
  metrics.add(allMetrics(broker));
  if (traces !== undefined) metrics.add(traceMetrics(traces));
  const certificates = new ConfiguredCertificates(config, deps.clock);
  certificates.start();
  beside.add(() => certificates.stop());
  const boot = randomId('r').slice(2, 10);
  const sources = new SourceAddress(config.listener.trustedProxies);
  const running: {
    servers?: readonly (ApiServer | undefined)[];
    certificate?: CertificateWatch;
  } = {};
  const apiDeps = {
    boot,
    limits: broker.limits,
    sources,
    schemes: schemesOf(config.listener),
    drain,
    unready,
    held: () => broker.held(),
    warnings: () => [
      ...broker.warnings(),
      ...(reload?.inUse().failure === undefined ? [] : ['config_reload_failed']),
      ...(running.servers?.some((each) => each?.hasTlsFailed === true) === true
        ? ['certificate_reload_failed']
        : []),
      ...(running.certificate?.warnings() ?? []),
    ],
    status: () => readBrokerStatus(broker, certificates.list()),
    metrics,
    servesMetrics: config.metrics.listener === undefined,
    routes: routesOf(broker.options),
    onAnswered: deps.onAnswered,
    console: consoleOf(config, deps.consoleCode),
  };
  const surroundings = surroundingsOf(parts, apiDeps);
  const faces = createFaces(surroundings, apiDeps);
  const malformed = new MalformedRequests(parts, boot, OWN_FACE);
  const server = await createServer(listenerOf(config, faces), config.listener, {
    ...deps,
    drain,
    malformed,
    sources,
  });
  listeners.set('api', server.connections);
  if (server.certificate !== undefined) {
    const expiresAt = (): number => readCertificate(server.certificate ?? '')?.notAfter ?? 0;
    metrics.add(certificateMetrics({ expiresAt, hasReloadFailed: () => server.hasTlsFailed }));
    const certificate = new CertificateWatch({ ...deps, expiresAt });
    certificate.start();
    beside.add(() => certificate.stop());
    running.certificate = certificate;
  }
  if (reload !== undefined) metrics.add(configurationMetrics(reload));
  if (instruments.connections !== undefined) listeners.set('metrics', instruments.connections);
  const vault = await openVault(config, { ...deps, surroundings, boot, unready });
  running.servers = [server, vault];
  const isUnready = (): readonly string[] =>
    drain.active ? ['draining', ...unready()] : unready();
  instruments.show(() => readinessOf({ ...apiDeps, unready: isUnready }));
  if (vault !== undefined) listeners.set('vault', vault.connections);
  await deps.beforeListening?.();
  const vaultAddress = await vault?.listen();
  beside.add(async () => {
    await vault?.drain(DRAIN_MS);
  });
  const vaultUrl = vaultAddress && vaultUrlOf(config, vaultAddress.port);
  const url = addressOf(config.listener, await server.listen());
  const shown = { faces, listeners, url };
  const console = await listenForConsole(config, shown, { ...deps, drain, malformed, sources });
  const listener: Reloadable = { prepare: (next) => server.prepare(next.listener) };
  beside.add(() => instruments.close());
  const named = reloadable((next: Config) => certificates.use(next));
  reload?.start([...broker.reloadable, listener, reloadableTraces(traces), named], parts.store);
  return {
    url,
    vaultUrl,
    consoleUrl: console.url,
    broker,
    reload: () => reloadAll({ broker, server, reload }, deps),
    stop: stopOnce({ broker, beside, traces }, [server, vault, ...console.servers], reload),
  };
}

function reloadableTraces(traces: OpenedTraces | undefined): Reloadable {
  return {
    prepare: ({ traces: next }) =>
      traces === undefined || next === undefined ? NO_CHANGE : traces.prepare(next),
  };
}

interface Reloaded {
  readonly broker: RunningBroker;
  readonly server: ApiServer;
  readonly reload: ConfigReload | undefined;
}

async function reloadAll(
  { broker, server, reload }: Reloaded,
  { log }: Pick<ServeDeps, 'log'>,
): Promise<void> {
  await broker.trail.reopenSinks().catch((error: unknown) => {
    log.error({ err: error }, 'the audit sinks could not be reopened');
  });
  // A failure is logged and recorded where it happens. A renewed certificate is used even if the configuration is refused.
  await reload?.reload().catch(() => server.reloadTls());
}

/** Loads the listener for clients of the Vault HTTP API only if the configuration has it. */
async function openVault(
  { vaultApi, connections }: Config,
  deps: Omit<VaultApiDeps, 'connections'>,
): Promise<ApiServer | undefined> {
  if (vaultApi === undefined) return undefined;
  const opened = await import('./vault-api.ts');
  return opened.openVaultApi(vaultApi, { ...deps, connections });
}

function vaultUrlOf({ vaultApi }: Config, port: number): string {
  const scheme = vaultApi?.listener.tls === undefined ? 'http' : 'https';
  return `${scheme}://${vaultApi?.listener.host}:${port}`;
}

function stopOnce(
  { broker, beside, traces }: Opened,
  servers: readonly (ApiServer | undefined)[],
  reload: ConfigReload | undefined,
): (cause: string) => Promise<void> {
  let stopping: Promise<void> | undefined;
  const stop = async (cause: string): Promise<void> => {
    await reload?.close();
    broker.parts.events.close();
    broker.parts.changes.close();
    await Promise.all(servers.map(async (server) => server?.drain(DRAIN_MS)));
    await beside.close();
    await broker.close(cause);
    await traces?.close();
  };
  return async (cause) => {
    stopping ??= stop(cause);
    await stopping;
  };
}
