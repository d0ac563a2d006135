type Document = Record<string, unknown>;
export type Environment = Readonly<Record<string, string | undefined>>;

type Parse = (text: string) => unknown;
const asText: Parse = (text) => text;
const asNumber: Parse = (text) => (/^\d{1,5}$/.test(text) ? Number(text) : text);
const asFlag: Parse = (text) => ({ true: true, false: false })[text] ?? text;

/** The setting of each environment variable. A test compares them with the schema. */
export const VARIABLES: ReadonlyMap<string, readonly [place: string, parse: Parse]> = new Map([
  ['QUAYMASTER_URL', ['broker.url', asText]],
  ['QUAYMASTER_CA_FILE', ['broker.caFile', asText]],
  ['QUAYMASTER_CA', ['broker.ca', asText]],
  ['QUAYMASTER_CLIENT_CERT_FILE', ['broker.clientCertFile', asText]],
  ['QUAYMASTER_CLIENT_KEY_FILE', ['broker.clientKeyFile', asText]],
  ['QUAYMASTER_SEALED', ['broker.sealed', asFlag]],
  ['QUAYMASTER_CLUSTER', ['cluster', asText]],
  ['QUAYMASTER_LOGIN', ['login', asText]],
  ['QUAYMASTER_TOKEN_FILE', ['tokenFile', asText]],
  ['QUAYMASTER_DIRECTORY', ['directory', asText]],
  ['QUAYMASTER_DEBOUNCE', ['debounce', asText]],
  ['QUAYMASTER_WHEN_UNREACHABLE', ['whenUnreachable', asText]],
  ['QUAYMASTER_END_SESSION_ON_EXIT', ['endSessionOnExit', asFlag]],
  ['QUAYMASTER_ACKNOWLEDGE_TIMEOUT', ['acknowledge.timeout', asText]],
  ['QUAYMASTER_EXEC_ON_CHANGE', ['exec.onChange', asText]],
  ['QUAYMASTER_EXEC_SIGNAL', ['exec.signal', asText]],
  ['QUAYMASTER_EXEC_STOP_SIGNAL', ['exec.stopSignal', asText]],
  ['QUAYMASTER_EXEC_STOP_AFTER', ['exec.stopAfter', asText]],
  ['QUAYMASTER_API_SOCKET', ['api.socket', asText]],
  ['QUAYMASTER_API_MODE', ['api.mode', asText]],
  ['QUAYMASTER_API_PORT', ['api.port', asNumber]],
  ['QUAYMASTER_API_TOKEN_FILE', ['api.tokenFile', asText]],
  ['QUAYMASTER_HEALTH_HOST', ['health.host', asText]],
  ['QUAYMASTER_HEALTH_PORT', ['health.port', asNumber]],
  ['QUAYMASTER_LOG_LEVEL', ['log.level', asText]],
]);

/** The kubelet sets variables like this for a Service with the name `quaymaster-api`. */
const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\//;

/**
 * A document with the settings of the environment over it. Unknown variables are ignored, because Kubernetes sets some for every Service of the
 * namespace.
 */
export function withEnvironment(document: Document, environment: Environment): Document {
  const merged = structuredClone(document);
  for (const [variable, [place, parse]] of VARIABLES) {
    const text = environment[variable];
    if (text === undefined || text === '' || SERVICE_LINK.test(text)) continue;
    put(merged, place.split('.'), parse(text));
  }
  const list = environment['QUAYMASTER_SECRETS'];
  if (list !== undefined && list !== '') merged['secrets'] = secretsOf(list);
  return merged;
}

function put(target: Document, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  const next = typeof inner === 'object' && inner !== null ? { ...inner } : {};
  target[key] = next;
  put(next, rest, value);
}

/**
 * Reads a list such as `payments/db=db.json:json,payments/api=api:files,payments/key`: path, file and format. A path may have
 * `=`, a file here may not.
 */
function secretsOf(list: string): readonly Document[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const [, path = item, file, format] = /^(.+)=([^=:]*)(?::(\w+))?$/.exec(item) ?? [];
      return {
        path,
        ...(file !== undefined && { file }),
        ...(format !== undefined && { format }),
      };
    });
}
