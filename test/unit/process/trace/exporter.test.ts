import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tracesConfigSchema } from '../../../../src/process/trace/config.ts';
import { SpanExporter } from '../../../../src/process/trace/exporter.ts';
import { exportBody, KIND, type Span } from '../../../../src/process/trace/otlp.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { Collector } from '../../../kit/fakes/trace-collector.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { movedUntil } from '../../../kit/time/moved.ts';

const PERIOD_MS = 5_000;
const MOST_SPANS = 2048;

let clock: HandClock;
let collector: Collector;
let directory: string;
let logged: { readonly message: string; readonly text: string }[];
const opened: SpanExporter[] = [];

beforeEach(async () => {
  clock = new HandClock();
  collector = await Collector.start();
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-traces-'));
  logged = [];
});

afterEach(async () => {
  for (const exporter of opened.splice(0)) await exporter.close();
  await collector.close();
  await rm(directory, { recursive: true });
});

async function exporterFor(settings: object = {}): Promise<SpanExporter> {
  const config = tracesConfigSchema.parse({ endpoint: collector.endpoint, ...settings });
  const write = (fields: Readonly<Record<string, unknown>>, message: string): void =>
    void logged.push({ message, text: String(fields['err']) });
  const log = { info: write, warn: write, error: write };
  const exporter = await SpanExporter.open(config, {
    clock,
    log,
    random: { fraction: () => 0.5 },
    release: '0.1.0',
  });
  opened.push(exporter);
  return exporter;
}

function span(name = 'decide'): Span {
  return {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    parentId: undefined,
    isParentRemote: false,
    name,
    kind: KIND.internal,
    startedAt: Date.UTC(2026, 0, 1),
    endedAt: Date.UTC(2026, 0, 1) + 0.25,
    attributes: { 'http.response.status_code': 200, 'quaymaster.connection': 'a' },
    hasFailed: false,
  };
}

function addMany(exporter: SpanExporter, count: number): void {
  for (let index = 0; index < count; index += 1) exporter.add(span());
}

/** Lets time pass in steps until the condition holds. */
function passing(stepMs: number, isDone: () => boolean): Promise<void> {
  return movedUntil('the condition holds', { clock, stepMs }, () => Promise.resolve(isDone()));
}

describe('the exporter', () => {
  it('sends what waits after its period, and nothing if nothing waits', async () => {
    const exporter = await exporterFor();
    clock.advance(PERIOD_MS);
    // The end of an empty sending, which waits for nothing, begins the next period.
    await setImmediate();
    exporter.add(span('first'));
    clock.advance(PERIOD_MS);
    await passing(0, () => exporter.counts.exported > 0);
    expect(collector.spans.map(({ name }) => name)).toEqual(['first']);
    expect(collector.requests).toHaveLength(1);
    expect(exporter.counts).toEqual({ exported: 1, dropped: 0 });
  });

  it('sends a full batch at once', async () => {
    const exporter = await exporterFor();
    addMany(exporter, 512);
    await passing(0, () => exporter.counts.exported === 512);
    expect(collector.requests).toHaveLength(1);
  });

  it('sends the rest when it closes', async () => {
    const exporter = await exporterFor();
    exporter.add(span('last'));
    await exporter.close();
    expect(collector.spans.map(({ name }) => name)).toEqual(['last']);
  });

  it('drops and counts spans beyond its bound, and never throws', async () => {
    collector.answers.push({ status: 503 });
    const exporter = await exporterFor();
    addMany(exporter, MOST_SPANS + 100);
    expect(exporter.counts).toEqual({ exported: 0, dropped: 100 });
  });

  it('retries a batch after a refusal for now, and logs each change once', async () => {
    collector.answers.push({ status: 503 }, { status: 429, headers: { 'retry-after': '1' } });
    const exporter = await exporterFor();
    exporter.add(span());
    await passing(200, () => exporter.counts.exported === 1);
    expect(collector.requests).toHaveLength(3);
    expect(exporter.counts.dropped).toBe(0);
    expect(logged.map(({ message }) => message)).toEqual([
      'traces cannot be exported',
      'traces are exported again',
    ]);
  });

  it('drops a batch that the collector refuses for good', async () => {
    collector.answers.push({ status: 400 });
    const exporter = await exporterFor();
    exporter.add(span());
    await passing(200, () => exporter.counts.dropped === 1);
    expect(logged[0]?.text).toContain('status 400');
  });

  it('keeps spans while no collector listens, and ends nevertheless', async () => {
    const exporter = await exporterFor();
    await collector.close();
    exporter.add(span());
    await exporter.close();
    expect(exporter.counts).toEqual({ exported: 0, dropped: 0 });
    collector = await Collector.start();
  });

  it('sends the headers of a file as it is now', async () => {
    const headersFile = join(directory, 'headers');
    await writeFile(headersFile, 'Authorization: Bearer first\nX-Tenant: shop\n');
    const exporter = await exporterFor({ headersFile });
    exporter.add(span());
    await exporter.close();
    expect(collector.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer first',
      'x-tenant': 'shop',
      'content-type': 'application/json',
    });
  });

  it('names the line of a malformed file of headers, and shows none of it', async () => {
    const headersFile = join(directory, 'headers');
    await writeFile(headersFile, 'X-Tenant: shop\nBearer canary-headers\n');
    const exporter = await exporterFor({ headersFile });
    exporter.add(span());
    await exporter.close();
    expect(collector.requests).toEqual([]);
    expect(logged[0]?.text).toMatch(/line 2 is not "Name: value"/);
    expect(JSON.stringify(logged)).not.toContain('canary');
  });
});

describe('TLS', () => {
  it.each([
    ['trusts the authority in caFile', true, 1],
    ['refuses another authority', false, 0],
  ])('%s', async (_name, isTrusted, exported) => {
    const authority = new CertificateAuthority();
    const other = new CertificateAuthority();
    const secure = await Collector.start(
      authority.issue({ commonName: 'collector', ipAddresses: ['127.0.0.1'] }),
    );
    try {
      const caFile = join(directory, 'ca.pem');
      await writeFile(caFile, (isTrusted ? authority : other).cert);
      const exporter = await exporterFor({ endpoint: secure.endpoint, caFile });
      exporter.add(span());
      await exporter.close();
      expect(exporter.counts.exported).toBe(exported);
    } finally {
      await secure.close();
    }
  });

  it('refuses a CA file that cannot be read', async () => {
    await expect(
      exporterFor({ endpoint: 'https://127.0.0.1:1/', caFile: join(directory, 'absent') }),
    ).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('the configuration', () => {
  it.each([
    'http://collector.example:4318/v1/traces',
    'https://user:password@collector.example/v1/traces',
    'grpc://collector.example:4317',
    'collector.example',
  ])('refuses the endpoint %s', (endpoint) => {
    expect(tracesConfigSchema.safeParse({ endpoint }).success).toBe(false);
  });

  it.each([{ ratio: 2 }, { ratio: -1 }, { paths: 'yes' }, { sampling: 1 }])(
    'refuses %j',
    (setting) => {
      const endpoint = 'https://collector.example/v1/traces';
      expect(tracesConfigSchema.safeParse({ endpoint, ...setting }).success).toBe(false);
    },
  );
});

/** Describes the type of each value by path, with the kind of its text. Lists count as their members. */
function shapeOf(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((member) => shapeOf(member, `${path}[]`));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, member]) => shapeOf(member, `${path}.${key}`));
  }
  const text = typeof value === 'string' ? value : '';
  const kind = /^\d{19}$/.test(text) ? 'nanoseconds' : /^[\da-f]{16,32}$/.test(text) ? 'id' : '';
  return [`${path}: ${typeof value} ${kind}`.trim()];
}

it('has the shape that the exporter of OpenTelemetry produces', async () => {
  const { body } = JSON.parse(await readFile('test/vectors/otlp-trace.json', 'utf8')) as {
    readonly body: unknown;
  };
  const root = span();
  const child = { ...span(), parentId: root.spanId };
  const ours = new Set(shapeOf(JSON.parse(exportBody([child, root], '0.1.0'))));
  const theirs = new Set(shapeOf(body));
  // Counts of dropped items, which are 0 by default.
  const left = [...theirs].filter((each) => !ours.has(each) && !/\.dropped\w+Count: /.test(each));
  expect(left).toEqual([]);
  expect([...ours].filter((each) => !theirs.has(each))).toEqual([]);
});
