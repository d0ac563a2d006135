import * as z from 'zod/mini';
import { ConfigError } from '../failures.ts';
import { FORMATS, MODE_RULE, parseMode, targetProblem } from '../files/file-options.ts';
import type { Outputs } from '../files/outputs.ts';
import { acknowledgeSchema, actionSchema } from './actions.ts';
import {
  absolutePath,
  argv,
  clusterName,
  duration,
  lifetime,
  port,
  secretName,
  secretPath,
  signalName,
} from './fields.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';
import { settingWords } from '../../domain/words/schema-words.ts';

/** Path below `directory`. */
const target = z.string().check((checking) => {
  const message = targetProblem(checking.value);
  if (message !== undefined) {
    checking.issues.push({ code: 'custom', message, input: undefined });
  }
});

/** Schema of a mode. It is quoted in YAML, where a bare `0400` is the number four hundred. Becomes permission bits. */
const mode = z.pipe(
  z.string().check(z.refine((text) => parseMode(text) !== undefined, MODE_RULE)),
  z.transform((text) => parseMode(text) ?? 0),
);
const accountId = z.int().check(z.minimum(0), z.maximum(2 ** 32 - 2));

/** Owner and permissions of a file. */
const permissions = {
  mode: z.prefault(mode, '0400'),
  owner: z.optional(accountId),
  group: z.optional(accountId),
};

const format = z.enum(FORMATS);

/** The options of a secret's own file. */
const secretFile = {
  /** A folder if the format is `files`. Absent: the secret has no file of its own. */
  file: z.optional(target),
  format: z._default(format, 'json'),
  ...permissions,
};

const templatesSchema = z._default(
  z.array(
    z
      .strictObject({
        file: target,
        source: z.optional(absolutePath),
        text: z.optional(z.string().check(z.maxLength(1_000_000))),
        ...permissions,
      })
      .check(
        z.refine(
          ({ source, text }) => (source === undefined) !== (text === undefined),
          'needs either source (a file) or text',
        ),
      ),
  ),
  [],
);

/** A socket, whose mode decides who may connect, or a loopback port with a token that a forged request does not have. */
const apiSchema = z.optional(
  z
    .strictObject({
      socket: z.optional(absolutePath),
      mode: z.prefault(mode, '0600'),
      port: z.optional(port),
      tokenFile: z.optional(absolutePath),
    })
    .check(
      z.refine(
        ({ socket, port: at, tokenFile }) =>
          (socket === undefined) !== (at === undefined) &&
          (at === undefined) === (tokenFile === undefined),
        'needs either socket, or port and tokenFile',
      ),
    ),
);
export type ApiSettings = NonNullable<z.output<typeof apiSchema>>;

const healthSchema = z.optional(
  z.strictObject({
    host: z._default(z.string(), '127.0.0.1'),
    port: z._default(port, 8210),
  }),
);
export type HealthSettings = NonNullable<z.output<typeof healthSchema>>;

const secret = z
  .strictObject({
    path: secretPath,
    /** Name of the secret; default: the last segment of the path. */
    name: z.optional(secretName),
    /** Pins the version. Absent: the current version, followed when it changes. */
    version: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
    /** Issues a dynamic credential instead of reading a stored secret. */
    credential: z.optional(z.strictObject({ ttl: z.optional(lifetime) })),
    /** True: the agent may start without it. */
    optional: z._default(z.boolean(), false),
    ...secretFile,
  })
  .check(
    z.refine(
      ({ version, credential }) => version === undefined || credential === undefined,
      'a dynamic credential has no version to pin',
    ),
  );

const variableName = z
  .string()
  .check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable'));

const execSchema = z.prefault(
  z.strictObject({
    command: z.optional(argv),
    /** Environment variables of the child process only. */
    environment: z._default(
      z.record(variableName, z.strictObject({ secret: secretName, key: z.string() })),
      {},
    ),
    onChange: z._default(z.enum(['restart', 'signal', 'none']), 'restart'),
    signal: z._default(signalName, 'SIGHUP'),
    stopSignal: z._default(signalName, 'SIGTERM'),
    /** Time that the child may take to end after `stopSignal` before it is killed. */
    stopAfter: z.prefault(duration, '30s'),
  }),
  {},
);

const broker = z
  .strictObject({
    url: z.url(),
    caFile: z.optional(absolutePath),
    /** PEM text of the authorities, instead of a file. */
    ca: z.optional(z.string().check(z.startsWith('-----BEGIN CERTIFICATE-----'))),
    clientCertFile: z.optional(absolutePath),
    clientKeyFile: z.optional(absolutePath),
    sealed: z._default(z.boolean(), false),
  })
  .check(
    z.refine(
      ({ clientCertFile, clientKeyFile }) =>
        (clientCertFile === undefined) === (clientKeyFile === undefined),
      'clientCertFile and clientKeyFile belong together: set both or neither',
    ),
  );

/** All settings of the agent. docs/agent.md has a row for each; a test compares them. */
export const settingsSchema = z
  .strictObject({
    broker,
    cluster: clusterName,
    /** Proof of the workload's identity: the token of `tokenFile`, or the client certificate. */
    login: z._default(z.enum(['token', 'certificate']), 'token'),
    tokenFile: z._default(absolutePath, '/var/run/secrets/quaymaster/token'),
    directory: z._default(absolutePath, '/var/run/quaymaster/secrets'),
    secrets: z.array(secret).check(z.minLength(1), z.maxLength(100)),
    templates: templatesSchema,
    onChange: z._default(z.array(actionSchema), []),
    debounce: z.prefault(duration, '1s'),
    acknowledge: acknowledgeSchema,
    exec: execSchema,
    whenUnreachable: z._default(z.enum(['keep', 'remove', 'fail']), 'keep'),
    endSessionOnExit: z._default(z.boolean(), true),
    api: apiSchema,
    health: healthSchema,
    log: z.prefault(
      z.strictObject({ level: z._default(z.enum(['debug', 'info', 'warn', 'error']), 'info') }),
      {},
    ),
  })
  .check((checking) => {
    const { secrets, exec, login, broker: to } = checking.value;
    if (login === 'certificate' && to.clientCertFile === undefined) {
      const message = 'certificate needs broker.clientCertFile and broker.clientKeyFile';
      problem(checking, ['login'], message);
    }
    const names = secrets.map(nameOf);
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue;
      problem(checking, ['secrets', index, 'name'], `another secret has the name ${name} too`);
    }
    for (const [variable, { secret: name }] of Object.entries(exec.environment)) {
      if (names.includes(name)) continue;
      problem(
        checking,
        ['exec', 'environment', variable, 'secret'],
        `no secret has the name ${name}`,
      );
    }
  });

type Checking = z.core.ParsePayload<{ readonly secrets: readonly Secret[] }>;
type Secret = z.output<typeof secret>;

function problem(
  { issues }: Pick<Checking, 'issues'>,
  path: (string | number)[],
  message: string,
): void {
  issues.push({ code: 'custom', path, message, input: undefined });
}

/** The name of a secret: its `name`, or the last segment of its path. */
export function nameOf({
  name,
  path,
}: {
  readonly name?: string | undefined;
  readonly path: string;
}): string {
  return name ?? path.slice(path.lastIndexOf('/') + 1);
}

export type Settings = z.output<typeof settingsSchema>;
export type SecretSettings = Settings['secrets'][number];
export type ExecSettings = Settings['exec'];

/** The files that the settings ask for, each secret with the name that templates use. */
export function outputsOf({ directory, secrets, templates }: Settings): Outputs {
  const named = secrets.map((secret) => ({ ...secret, name: nameOf(secret) }));
  return { directory, secrets: named, templates };
}

/** @throws ConfigError with every problem */
export function checkSettings(document: unknown, source: string): Settings {
  const checked = parseSettings(document);
  if ('data' in checked) return checked.data;
  throw new ConfigError(source, checked.problems);
}

/** Problems have the pointer and the rule, never the value: someone may have put a secret into the wrong field. */
export function parseSettings(
  document: unknown,
): { readonly data: Settings } | { readonly problems: readonly string[] } {
  const checked = settingsSchema.safeParse(document, { error: settingWords });
  if (checked.success) return { data: checked.data };
  const { issues } = checked.error;
  return { problems: issues.map(({ path, message }) => `${pointerTo(path) || '/'}: ${message}`) };
}
