import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommanderError, type Command } from 'commander';
import fc from 'fast-check';
import { toManifests } from '../../src/cli/documents/manifest.ts';
import { parseLocated } from '../../src/cli/documents/read-files.ts';
import { UsageError } from '../../src/cli/kernel/errors.ts';
import { toCases } from '../../src/cli/policy-test/fixture.ts';
import { instantOf } from '../../src/cli/kernel/time.ts';
import { parseCommand } from '../../src/delivery/agent/command-line.ts';
import { parseSecretQuery } from '../../src/delivery/agent/local-api/secret-query.ts';
import { driverService } from '../../src/delivery/csi/driver-protocol.ts';
import { MountRefused } from '../../src/delivery/csi/mount-refused.ts';
import { readMountSpec } from '../../src/delivery/csi/mount-spec.ts';
import { Provider } from '../../src/delivery/csi/provider.ts';
import { settingsSchema } from '../../src/delivery/csi/settings.ts';
import { ConfigError, DeliveryError } from '../../src/delivery/failures.ts';
import { parseMode } from '../../src/delivery/files/file-options.ts';
import { TemplateEngine } from '../../src/delivery/files/template-engine.ts';
import { parseTemplate } from '../../src/delivery/files/template-renderer.ts';
import { Problems, readAnnotations } from '../../src/delivery/injector/annotations.ts';
import { parseItem } from '../../src/delivery/injector/parse-item.ts';
import { parseInSteps } from '../../src/delivery/injector/parse-json.ts';
import { parseRequest } from '../../src/delivery/injector/parse-request.ts';
import { answerReview } from '../../src/delivery/injector/review.ts';
import { parseSettings } from '../../src/delivery/settings/settings.ts';
import { createProgram } from '../../src/program/program.ts';
import { systemClock } from '../../src/process/clock.ts';
import { freePort } from '../kit/backends/free-port.ts';
import {
  hostileBytes,
  hostileText,
  hostileValue,
  parses,
  parsesSoon,
} from '../kit/checks/hostile-values.ts';
import { podWith, SETTINGS } from '../kit/delivery/injected-pods.ts';
import { anyCharacter } from '../kit/checks/characters.ts';

const POD = podWith(
  { 'file-db': 'db.json', 'mode-db': '0440', 'template-x': '{{ secrets.db.password }}' },
  { volumes: [{ name: 'x' }], initContainers: [{ name: 'init' }] },
);
const REVIEW = {
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u-1',
    operation: 'CREATE',
    namespace: 'prod',
    resource: { group: '', version: 'v1', resource: 'pods' },
    object: POD,
  },
};

describe('an AdmissionReview', () => {
  it('is answered with its own UID, or not answered at all', async () => {
    expect((await answerReview(REVIEW, SETTINGS))?.outcome).toBe('injected');
    await fc.assert(
      fc.asyncProperty(hostileValue(REVIEW), async (document) => {
        const answered = await answerReview(document, SETTINGS);
        if (answered === undefined) return;
        const { uid } = (document as typeof REVIEW).request;
        expect(answered.body).toMatchObject({ kind: 'AdmissionReview', response: { uid } });
      }),
      { numRuns: 500 },
    );
  });

  it('has the value that JSON.parse reads, or none', () => {
    fc.assert(
      fc.property(hostileText(JSON.stringify(REVIEW)), (text) => {
        const steps = parseInSteps(text);
        let step = steps.next();
        while (step.done !== true) step = steps.next();
        if (step.value !== undefined) expect(step.value).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  it('has annotations that are parsed, or refused with the place of each mistake', () => {
    const key = fc.constantFrom(
      'inject',
      'containers',
      'directory',
      'once',
      'health-port',
      'on-change-url',
      'secret-db',

      'file-db',
      'format-db',
      'mode-db',
      'credential-db',
      'optional-db',
      'template-db',
      '-',
      '',
    );
    const value = fc.oneof(hostileText('payments/db@3'), hostileText('http://127.0.0.1:1/'));
    fc.assert(
      fc.property(fc.dictionary(key, value), (texts) => {
        const entries = Object.entries(texts).map(([short, text]) => [
          `quaymaster.dev/${short}`,
          text,
        ]);
        const problems = new Problems();
        parseRequest(readAnnotations(Object.fromEntries(entries), problems), problems);
        parseItem(
          'db',
          { secret: texts['secret-db'] ?? '', mode: texts['mode-db'] ?? '' },
          problems,
        );
        for (const { place } of problems.found) expect(place).toMatch(/^quaymaster\.dev\//);
      }),
    );
  });
});

const ATTRIBUTES = {
  objects: '[{ path: own/db, file: db.json, mode: "0440" }]',
  'csi.storage.k8s.io/pod.name': 'api-0',
  'csi.storage.k8s.io/pod.namespace': 'prod',
  'csi.storage.k8s.io/serviceAccount.tokens': '{"quaymaster":{"token":"eyJ"}}',
};

describe('a call of the CSI driver', () => {
  it('has attributes that name files within the volume, or is refused with a status', async () => {
    const spec = await readMountSpec(JSON.stringify(ATTRIBUTES), 'quaymaster');
    expect(spec.objects).toHaveLength(1);
    const objects = hostileText(ATTRIBUTES.objects).map((text) => ({
      ...ATTRIBUTES,
      objects: text,
    }));
    const attributes = fc.oneof(
      fc.oneof(objects, hostileValue(ATTRIBUTES)).map((value) => JSON.stringify(value ?? null)),
      hostileText(JSON.stringify(ATTRIBUTES)),
    );
    await fc.assert(
      fc.asyncProperty(attributes, (text) =>
        parsesSoon(async () => {
          for (const { file } of (await readMountSpec(text, 'quaymaster')).objects) {
            expect(join('/volume', file).startsWith('/volume/')).toBe(true);
          }
        }, MountRefused),
      ),
      { numRuns: 300 },
    );
  });

  describe('on the socket of the provider', () => {
    let directory: string;
    let provider: Provider;
    let client: Client;
    const socket = (): string => join(directory, 'quaymaster.sock');
    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'qm-hostile-csi-'));
      const settings = settingsSchema.parse({
        socket: socket(),
        // Nothing listens there, so a request that is valid by chance fails as unavailable.
        broker: { url: 'http://127.0.0.1:9' },
        cluster: 'c1',
        health: { host: '127.0.0.1', port: await freePort() },
      });
      const log = { debug: () => 0, info: () => 0, warn: () => 0, error: () => 0 };
      provider = await Provider.listen(settings, { clock: systemClock, log, release: '0.0.0' });
      const options = { 'grpc.default_authority': 'localhost' };
      client = new Client(`unix:${socket()}`, credentials.createInsecure(), options);
    });
    afterAll(async () => {
      client.close();
      await provider.close();
      rmSync(directory, { recursive: true });
    });

    /** The status of a call whose message has these bytes. */
    function called(method: 'Mount' | 'Version', message: Buffer): Promise<status> {
      const { promise, resolve } = Promise.withResolvers<status>();
      const done = (error: ServiceError | null): void => resolve(error?.code ?? status.OK);
      const same = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(`/v1alpha1.CSIDriverProvider/${method}`, same, same, message, done);
      return promise;
    }

    it('is answered with a status, whatever the bytes of its message are', async () => {
      const { Mount } = driverService();
      const valid = Mount!.requestSerialize({ attributes: JSON.stringify(ATTRIBUTES) });
      const refusals = [status.INTERNAL, status.INVALID_ARGUMENT, status.FAILED_PRECONDITION];
      await fc.assert(
        fc.asyncProperty(hostileBytes(valid), async (message) => {
          expect([...refusals, status.UNAVAILABLE]).toContain(await called('Mount', message));
        }),
        { numRuns: 200 },
      );
      expect(await called('Version', Buffer.alloc(0))).toBe(status.OK);
    }, 120_000);

    it('is answered after connections of other protocols', async () => {
      const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      const frames = fc.oneof(
        hostileBytes(preface),
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([preface, bytes])),
      );
      await fc.assert(
        fc.asyncProperty(frames, async (bytes) => {
          const { promise, resolve } = Promise.withResolvers<undefined>();
          const connection = connect(socket());
          connection.on('error', () => undefined).on('close', () => resolve(undefined));
          connection.resume();
          connection.end(bytes);
          await promise;
        }),
        { numRuns: 100 },
      );
      expect(await called('Version', Buffer.alloc(0))).toBe(status.OK);
    }, 120_000);
  });
});

const AGENT = {
  broker: { url: 'https://quaymaster.test' },
  cluster: 'prod',
  directory: '/run/secrets',
  secrets: [
    {
      path: 'payments/db',
      file: 'db.json',
      mode: '0440',
      onChange: { signal: 'SIGHUP', process: 'x' },
    },
  ],
  templates: [{ file: 'x', text: '{{ secrets.db.password }}' }],
};

describe('the agent', () => {
  it('has settings, or a problem with its place', () => {
    fc.assert(
      fc.property(hostileValue(AGENT), (document) => {
        const read = parseSettings(document);
        if ('problems' in read) for (const problem of read.problems) expect(problem).toMatch(/^\//);
      }),
      { numRuns: 500 },
    );
  });

  it('renders a template without a value of the process, or refuses it', () => {
    const engine = new TemplateEngine();
    const text = '{% if secrets.db.password %}{{ secrets.db.password | append: "x" }}{% endif %}';
    fc.assert(
      fc.property(hostileText(text), (template) =>
        parses(() => {
          const parsed = parseTemplate(engine, { name: 'x', text: template }, new Set(['db']));
          parsed.render({ db: { password: 'p' } });
        }, DeliveryError),
      ),
      { numRuns: 300 },
    );
  });

  it.each<[string, (text: string) => unknown, string]>([
    ['mode of a file', parseMode, '0640'],
    ['query of an application', parseSecretQuery, '/v1/secrets/app/db?refreshNow=true'],
  ])('reads or refuses the %s', (_what, parse, valid) => {
    fc.assert(fc.property(hostileText(valid), (text) => parses(() => parse(text))));
  });
});

/** Words that a shell may pass: real ones, values that begin like options, and any text. */
const word = (known: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...known) },
    fc.constantFrom('--', '-', '', '--=x', '-o', '--url=http://x', '__proto__', '--constructor'),
    fc.string({ unit: anyCharacter, maxLength: 20 }),
  );

function commandsOf(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

describe('a command line', () => {
  it('is a command, or a mistake with an exit code', async () => {
    const known = commandsOf(createProgram()).flatMap((command) => [
      command.name(),
      ...command.options.flatMap(({ long }) => long ?? []),
    ]);
    const silent = {
      writeOut: () => undefined,
      writeErr: () => undefined,
      outputError: () => undefined,
    };
    await fc.assert(
      fc.asyncProperty(fc.array(word(known), { maxLength: 8 }), (words) =>
        parsesSoon(async () => {
          const program = createProgram();
          for (const command of commandsOf(program)) {
            command.configureOutput(silent);
            if (command.commands.length === 0) command.action(() => undefined);
          }
          await program.parseAsync(words, { from: 'user' });
        }, CommanderError),
      ),
      { numRuns: 200 },
    );
  }, 120_000);

  it.each(['__proto__', 'constructor', 'toString'])(
    'has no command of the agent named like a member of every object: %s',
    (name) => {
      expect(() => parseCommand([name])).toThrow(`unknown command "${name}"`);
      expect(() => parseCommand(['--once', name])).toThrow(ConfigError);
    },
  );

  it('is a command of the agent, or names the mistake', () => {
    const known = [
      'exec',
      'config',
      'check',
      'healthcheck',
      'quit',
      '--config',
      '--once',
      '--timeout',
      '5m',
      '--port',
      '1',
    ];
    fc.assert(
      fc.property(fc.array(word(known), { maxLength: 8 }), (words) =>
        parses(() => parseCommand(words), ConfigError),
      ),
      { numRuns: 500 },
    );
  });

  it.each(['2h', '2026-01-05T10:00:00.5+01:00', `${'9'.repeat(15)}d`])(
    'has times, or names the mistake: %s',
    (valid) => {
      const parse = (text: string): unknown => instantOf('--from', text, Date.now());
      parses(() => parse(valid), UsageError);
      fc.assert(fc.property(hostileText(valid), (text) => parses(() => parse(text), UsageError)));
    },
  );

  it('names files whose documents and tests are read, or refused with line and column', async () => {
    const test = {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'PolicyTest',
      tests: [
        {
          who: 'k8s://prod/shop/web',
          capability: 'read',
          path: 'a/b',
          expect: 'allow',
          at: '2026-01-05T10:00:00Z',
        },
      ],
    };
    const text = fc.oneof(
      hostileText(JSON.stringify(test)),
      hostileValue(test).map((value) => JSON.stringify(value ?? null)),
    );
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        const { documents, problems } = await parseLocated('x.yaml', content);
        if (problems.length > 0) return;
        parses(() => toCases(documents), UsageError);
        parses(() => toManifests(documents), UsageError);
      }),
      { numRuns: 300 },
    );
  });
});
