import type { InjectionRequest } from './injection-request.ts';
import type { RunAs } from './run-as.ts';

/** Where the agent's own container has things; where the app has them is another matter. */
export const AGENT_DIRECTORY = '/var/run/quaymaster/secrets';
export const TOKEN_DIRECTORY = '/var/run/secrets/quaymaster';
const HEALTH_PORT = 8201;

/** The broker as injected agents are told of it. */
export interface BrokerAddress {
  readonly url: string;
  /** PEM. */
  readonly ca?: string;
  readonly cluster: string;
  readonly audience: string;
}

/**
 * The agent's whole configuration (docs/agent.md) as JSON, which is YAML. Without a dollar sign: the kubelet would take `$(NAME)` and
 * `$$` in the value of a variable for its own.
 */
export function agentConfig(
  request: InjectionRequest,
  broker: BrokerAddress,
  runAs: RunAs,
): string {
  const usual = runAs.sharesUser ? '0400' : '0440';
  const config = {
    broker: { url: broker.url, ...(broker.ca !== undefined && { ca: broker.ca }) },
    cluster: broker.cluster,
    tokenFile: `${TOKEN_DIRECTORY}/token`,
    directory: AGENT_DIRECTORY,
    secrets: request.secrets.map((secret) => secretEntry(secret, usual)),
    templates: request.templates.map(({ file, text, mode = usual }) => ({ file, text, mode })),
    ...onChange(request),
    ...(request.whenUnreachable !== undefined && { whenUnreachable: request.whenUnreachable }),
    ...(!request.isOnce && {
      health: { host: '127.0.0.1', port: request.healthPort ?? HEALTH_PORT },
    }),
  };
  return JSON.stringify(config).replaceAll('$', String.raw`\u0024`);
}

function secretEntry(
  { name, path, version, credentialTtl, file, format, mode, isOptional }: Secret,
  usual: string,
): object {
  return {
    name,
    path,
    ...(version !== undefined && { version }),
    ...(credentialTtl !== undefined && { credential: { ttl: credentialTtl } }),
    ...(file !== undefined && { file, format, mode: mode ?? usual }),
    ...(isOptional && { optional: true }),
  };
}

type Secret = InjectionRequest['secrets'][number];

function onChange({ onChangeSignal, onChangeUrl }: InjectionRequest): object {
  const actions = [
    ...(onChangeSignal === undefined ? [] : [{ ...onChangeSignal }]),
    ...(onChangeUrl === undefined ? [] : [{ http: { url: onChangeUrl, method: 'POST' } }]),
  ];
  return actions.length === 0 ? {} : { onChange: actions };
}
