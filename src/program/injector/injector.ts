import { hostname } from 'node:os';
import type { Metric, Metrics, Sample } from '../../ports/metrics.ts';
import { readTlsFiles } from '../../api/server/tls-files.ts';
import type { ClusterDocumentsConfig } from '../../features/custom-resources/config.ts';
import { ObjectAuthority } from '../../features/custom-resources/object-authority.ts';
import { reviewObject } from '../../features/custom-resources/review-object.ts';
import type { Config } from '../config/schema.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { InjectionSettings } from '../../delivery/injector/inject.ts';
import type { InjectorConfig } from '../../delivery/injector/config.ts';
import {
  ManagedCertificate,
  type CertificateTimes,
} from '../../delivery/injector/managed-certificate.ts';
import { hasNativeSidecars } from '../../delivery/injector/native-sidecars.ts';
import { answerReview, warmUp, type ReviewAnswer } from '../../delivery/injector/review.ts';
import { WebhookConfiguration } from '../../delivery/injector/webhook-configuration.ts';
import {
  WebhookServer,
  type Review,
  type DrainTimes,
  type Reviews,
  type ServingCertificate,
} from '../../delivery/injector/webhook-server.ts';
import type { Clock } from '../../ports/clock.ts';
import { clusterLog, type ClusterLog, type Log } from '../../ports/log.ts';
import { connectKubernetes } from '../../providers/kubernetes/client/client.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { Closings } from '../serving/close-stack.ts';
import { FollowedText } from '../connections/followed-text.ts';

/** Interval of reloads, the same as for the certificate of the API listener. */
const RELOAD_MS = 60_000;

export interface InjectorDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly certificateTimes?: CertificateTimes;
  /** Settings of custom resources, which it checks; absent unless the configuration copies those of this cluster. */
  readonly objects?: ClusterDocumentsConfig | undefined;
}

export interface RunningInjector {
  readonly port: number;
  readonly connections: WebhookServer['connections'];
  /** Reasons why API servers should send no reviews here. */
  unready(): readonly string[];
  /** Codes of problems that an operator should fix. */
  warnings(): readonly string[];
  /** Answers until API servers have left; from now on it is not ready. `close` follows. */
  drain(times?: DrainTimes): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts the webhook listener without waiting for the API server.
 * @throws ERR_CONFIG_INVALID for unusable files, or if it cannot listen on the address
 */
export async function openInjector(
  injector: InjectorConfig,
  connections: Config['connections'],
  deps: InjectorDeps,
): Promise<RunningInjector> {
  const closings = new Closings();
  const { certificate, broker } = injector;
  const connection = 'managed' in certificate ? certificate.managed.connection : undefined;
  const log = clusterLog(deps.log, { cluster: broker.cluster, connection });
  try {
    return await open(injector, connections, { ...deps, log, closings });
  } catch (error) {
    await closings.close();
    throw error;
  }
}

/** The log names the cluster: an injector serves pods of one, but people read the lines of many together. */
type OpeningDeps = InjectorDeps & { readonly log: ClusterLog; readonly closings: Closings };

async function open(
  injector: InjectorConfig,
  connections: Config['connections'],
  deps: OpeningDeps,
): Promise<RunningInjector> {
  const { certificate, listener } = injector;
  const { closings, clock } = deps;
  const api =
    'managed' in certificate
      ? await connect(certificate.managed.connection, connections)
      : undefined;
  closings.add(() => api?.close());
  const brokerCa = await followText(injector.broker.caFile, deps);
  const settings = createSettings(injector, api, { ...deps, brokerCa });
  const { clientCaFile, host, port } = listener;
  const clientCa = await followText(clientCaFile, deps);
  const reviews = reviewsOf(settings, injector, deps);
  const make = (first: ServingCertificate): WebhookServer =>
    new WebhookServer(
      { host, port, ...(clientCa !== undefined && { clientCa: () => clientCa.text }) },
      first,
      { clock, reviews },
    );
  const kept =
    'managed' in certificate && api !== undefined
      ? await manage(certificate.managed, {
          api,
          make,
          port,
          cluster: injector.broker.cluster,
          deps,
        })
      : await follow(certificate as FilesCertificate, make, deps);
  await warmUp();
  const address = await kept.server.listen();
  closings.add(() => kept.server.close());
  kept.start();
  closings.add(() => kept.stop());
  return {
    port: address.port,
    connections: kept.server.connections,
    unready: () => [
      ...(kept.server.isDraining ? ['draining'] : []),
      ...(kept.isAwaited() ? ['injector_untrusted'] : []),
    ],
    warnings: () => (kept.isUntrusted() ? ['injector_untrusted'] : []),
    drain: (times) => kept.server.drain(times),
    close: () => closings.close(),
  };
}

async function connect(name: string, connections: Config['connections']): Promise<KubernetesApi> {
  const connection = connections[name];
  if (connection?.type === 'kubernetes') return connectKubernetes(connection);
  throw new BrokerError('ERR_CONFIG_INVALID', `no kubernetes connection is called ${name}`);
}

async function followText(
  path: string | undefined,
  deps: OpeningDeps,
): Promise<FollowedText | undefined> {
  if (path === undefined) return undefined;
  const text = await FollowedText.read(path, deps);
  deps.closings.add(() => text.close());
  return text;
}

interface SettingsDeps extends OpeningDeps {
  readonly brokerCa: FollowedText | undefined;
}

function createSettings(
  { image, broker, resources, nativeSidecars }: InjectorConfig,
  api: KubernetesApi | undefined,
  { brokerCa, ...deps }: SettingsDeps,
): () => Promise<InjectionSettings> {
  const { url, cluster, audience } = broker;
  const runsSidecars =
    nativeSidecars === 'auto' && api !== undefined
      ? asking(api, deps)
      : (): Promise<boolean> => Promise.resolve(nativeSidecars !== 'never');
  return async () => ({
    image,
    resources,
    broker: {
      url,
      cluster,
      audience,
      ...(brokerCa !== undefined && { ca: certificatesOf(brokerCa.text) }),
    },
    hasNativeSidecars: await runsSidecars(),
  });
}

/** Drops text between the certificates, because pods do not need it. */
function certificatesOf(pem: string): string {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return `${found.join('\n')}\n`;
}

/** Queries the API server once, at the first review. If there is no answer, it queries again at the next review. */
function asking(
  api: KubernetesApi,
  { clock, log }: Pick<SettingsDeps, 'clock' | 'log'>,
): () => Promise<boolean> {
  let asked: Promise<boolean> | undefined;
  const ask = async (): Promise<boolean> => {
    try {
      return await hasNativeSidecars(api, clock);
    } catch (error) {
      asked = undefined;
      log.warn(
        { err: error },
        'the version of the cluster is not known; native sidecars are taken for granted',
      );
      return true;
    }
  };
  return () => (asked ??= ask());
}

function reviewsOf(
  settings: () => Promise<InjectionSettings>,
  { broker: { cluster }, listener }: InjectorConfig,
  deps: OpeningDeps,
): Reviews {
  const { objects, log } = deps;
  const isCallerKnown = listener.clientCaFile !== undefined;
  const counter = (name: string, help: string): CountOutcome =>
    countOutcomes(deps.metrics, { name, help, cluster });
  return {
    '/inject': reviewing(settings, log, counter),
    ...(objects !== undefined && {
      '/validate': reviewingObjects(objects, counter, isCallerKnown),
    }),
  };
}

function reviewingObjects(
  objects: ClusterDocumentsConfig,
  counter: Counter,
  isCallerKnown: boolean,
): Review {
  const authority = new ObjectAuthority(objects, sha256Hex);
  const name = 'quaymaster_object_reviews_total';
  const count = counter(name, 'Admission reviews of custom resources by outcome');
  return (document) => {
    const review = reviewObject(authority, document, isCallerKnown);
    count(review?.outcome ?? 'malformed');
    return Promise.resolve(review?.body);
  };
}

/** Counts one outcome. */
type CountOutcome = (outcome: string) => void;
type Counter = (name: string, help: string) => CountOutcome;

interface CountedReviews {
  readonly name: string;
  readonly help: string;
  readonly cluster: string;
}

function countOutcomes(metrics: Metrics, { name, help, cluster }: CountedReviews): CountOutcome {
  const counts = new Map<string, number>();
  const values = (): readonly Sample[] =>
    [...counts].map(([outcome, count]) => [{ cluster, outcome }, count]);
  metrics.add([{ name, help, labels: ['cluster', 'outcome'], values }]);
  return (outcome) => counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
}

/** Injections disclose no secret, so they are counted and logged but get no audit entry. */
function reviewing(
  settings: () => Promise<InjectionSettings>,
  log: ClusterLog,
  counter: Counter,
): Review {
  const name = 'quaymaster_injections_total';
  const count = counter(name, 'Admission reviews by outcome');
  return async (document) => {
    const answer = await answerReview(document, await settings());
    count(answer?.outcome ?? 'malformed');
    if (answer !== undefined) logAnswer(log, answer);
    return answer?.body;
  };
}

function logAnswer(log: ClusterLog, { outcome, namespace, pod, problems }: ReviewAnswer): void {
  if (outcome === 'injected') log.info({ namespace, pod }, 'injected');
  if (outcome === 'denied')
    log.warn({ namespace, pod, problems }, 'pod rejected: injection failed');
}

/** The metric of a managed certificate in the webhook configuration of a cluster. */
export function trustMetrics(
  cluster: string,
  certificate: Pick<ManagedCertificate, 'isEntered'>,
): readonly Metric[] {
  return [
    {
      name: 'quaymaster_injector_trusted',
      help: '1 while the webhook configuration has the certificate of the injector, as far as the injector could check',
      labels: ['cluster'],
      values: () => [[{ cluster }, certificate.isEntered ? 1 : 0]],
    },
  ];
}

/** A server with the component that maintains its certificate. */
interface Kept {
  readonly server: WebhookServer;
  /** True while API servers, as far as is known, do not trust the presented certificate yet: readiness should wait until they do. */
  isAwaited(): boolean;
  /** True if the wait is over, and API servers, as far as is known, still do not trust it. */
  isUntrusted(): boolean;
  start(): void;
  stop(): Promise<void>;
}

interface Managing {
  readonly api: KubernetesApi;
  readonly make: (first: ServingCertificate) => WebhookServer;
  readonly port: number;
  readonly cluster: string;
  readonly deps: OpeningDeps;
}

type ManagedConfig = Extract<InjectorConfig['certificate'], { managed: unknown }>['managed'];
type FilesCertificate = Extract<InjectorConfig['certificate'], { files: unknown }>;

async function manage(
  { webhookConfiguration, validatingWebhookConfiguration, dnsNames }: ManagedConfig,
  { api, make, port, cluster, deps }: Managing,
): Promise<Kept> {
  const own: { server?: WebhookServer } = {};
  const certificate = await ManagedCertificate.make({
    configurations: [
      { kind: 'mutating' as const, name: webhookConfiguration },
      { kind: 'validating' as const, name: validatingWebhookConfiguration },
    ].flatMap(({ kind, name }) =>
      name === undefined ? [] : [new WebhookConfiguration(api, { kind, name }, deps.clock)],
    ),
    dnsNames,
    owner: `${hostname()}:${port}`,
    clock: deps.clock,
    log: deps.log,
    present: (next) => own.server?.present(next),
    ...(deps.certificateTimes !== undefined && { times: deps.certificateTimes }),
  });
  const server = make(certificate.current);
  own.server = server;
  deps.metrics.add(trustMetrics(cluster, certificate));
  return {
    server,
    isAwaited: () => certificate.isAwaited,
    isUntrusted: () => !certificate.isEntered && !certificate.isAwaited,
    start: () => void certificate.start(),
    stop: () => certificate.close(),
  };
}

/** Reads the files again every minute. If they are unusable, the old certificate stays in place and the error is logged. */
async function follow(
  { files }: FilesCertificate,
  make: (first: ServingCertificate) => WebhookServer,
  { clock, log }: OpeningDeps,
): Promise<Kept> {
  const server = make(await readTlsFiles(files));
  const own: { cancel?: () => void } = {};
  const schedule = (): void => {
    own.cancel = clock.after(RELOAD_MS, () => {
      readTlsFiles(files)
        .then((next) => server.present(next))
        .catch((error: unknown) => {
          log.error({ err: error }, 'the certificate could not be read again; the old one stays');
        })
        .finally(schedule);
    });
  };
  return {
    server,
    isAwaited: () => false,
    isUntrusted: () => false,
    start: schedule,
    stop() {
      own.cancel?.();
      return Promise.resolve();
    },
  };
}
