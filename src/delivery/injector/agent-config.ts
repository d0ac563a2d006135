import type { InjectionRequest } from './injection-request.ts';
import type { RunAs } from './run-as.ts';

/** Paths in the agent's own container. The application may have the files elsewhere. */
export const AGENT_DIRECTORY = '/var/run/quaymaster/secrets';
export const TOKEN_DIRECTORY = '/var/run/secrets/quaymaster';
const HEALTH_PORT = 8210;

/** The broker, as injected agents reach it. */
export interface BrokerAddress {
  readonly url: string;
  /** PEM text of the authorities. */
  readonly ca?: string;
  readonly cluster: string;
  readonly audience: string;
}

/** The agent's whole configuration (docs/agent.md). */
export function agentConfig(
  request: InjectionRequest,
  broker: BrokerAddress,
  runAs: RunAs,
): object {
  const usual = runAs.sharesUser ? '0400' : '0440';
  return {
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
}

/**
 * Formats the configuration as JSON, which is YAML, without a dollar sign: the kubelet expands `$(NAME)` and `$$` in the value of
 * a variable.
 */
export function configText(config: object): string {
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
