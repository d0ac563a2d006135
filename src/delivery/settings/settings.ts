import * as z from 'zod/mini';
import { acknowledgeSchema, actionSchema } from './actions.ts';
import {
  absolutePath,
  argv,
  clusterName,
  duration,
  lifetime,
  secretName,
  secretPath,
  signalName,
} from './fields.ts';
import { apiSchema, healthSchema, secretFile, templatesSchema } from './outputs.ts';

const secret = z
  .strictObject({
    path: secretPath,
    /** Absent: the last segment of the path. */
    name: z.optional(secretName),
    /** A pin. Absent: the current version, and what comes after it. */
    version: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
    /** A credential made to order instead of a secret that is read. */
    credential: z.optional(z.strictObject({ ttl: z.optional(lifetime) })),
    /** Whether the agent may start without it. */
    optional: z._default(z.boolean(), false),
    ...secretFile,
  })
  .check(
    z.refine(
      ({ version, credential }) => version === undefined || credential === undefined,
      'a credential to order has no version to pin',
    ),
  );

const variableName = z
  .string()
  .check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable'));

const execSchema = z.prefault(
  z.strictObject({
    command: z.optional(argv),
    /** Environment variables of the child, and of nobody else. */
    environment: z._default(
      z.record(variableName, z.strictObject({ secret: secretName, key: z.string() })),
      {},
    ),
    onChange: z._default(z.enum(['restart', 'signal', 'none']), 'restart'),
    signal: z._default(signalName, 'SIGHUP'),
    stopSignal: z._default(signalName, 'SIGTERM'),
    /** How long the child has to end after `stopSignal`, before it is killed. */
    stopAfter: z.prefault(duration, '30s'),
  }),
  {},
);

/** All that the agent can be told. docs/agent.md has a row for each; a test compares. */
export const settingsSchema = z
  .strictObject({
    broker: z.strictObject({
      url: z.url(),
      caFile: z.optional(absolutePath),
      /** PEM; instead of a file. */
      ca: z.optional(z.string().check(z.startsWith('-----BEGIN CERTIFICATE-----'))),
      sealed: z._default(z.boolean(), false),
    }),
    cluster: clusterName,
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
    const { secrets, exec } = checking.value;
    const names = secrets.map(nameOf);
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue;
      problem(checking, ['secrets', index, 'name'], `another secret is called ${name} too`);
    }
    for (const [variable, { secret: name }] of Object.entries(exec.environment)) {
      if (names.includes(name)) continue;
      problem(checking, ['exec', 'environment', variable, 'secret'], `no secret is called ${name}`);
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

/** How a secret is called where its configuration does not say. */
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
