import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sha256Hex } from '../../../../../src/crypto/hashes/digest.ts';
import {
  ACTION_ROWS,
  AUDIT_ACTIONS,
  AUDIT_OUTCOMES,
} from '../../../../../src/domain/audit/audit-actions.ts';
import { escapeHeader, escapeValue } from '../../../../../src/domain/audit/formats/cef.ts';
import {
  LOG_FORMATS,
  type LogFormat,
} from '../../../../../src/domain/audit/formats/format-names.ts';
import {
  formatEntry,
  type LocatedEntry,
} from '../../../../../src/domain/audit/formats/log-format.ts';
import { OCSF_CLASSES } from '../../../../../src/domain/audit/format-row.ts';
import { anyCharacter } from '../../../../kit/checks/characters.ts';

interface FormatVectors {
  readonly entries: readonly (LocatedEntry & {
    readonly name: string;
    readonly lines: Readonly<Record<LogFormat, string>>;
  })[];
}

interface Shape {
  readonly required: readonly string[];
  readonly atLeastOne: readonly string[];
  readonly attributes: readonly string[];
}

/** Taken from the schema itself; the file names its source. */
interface OcsfSchema {
  readonly version: string;
  readonly classes: Readonly<
    Record<
      string,
      Shape & {
        readonly class_uid: number;
        readonly category_uid: number;
        readonly activities: readonly number[];
      }
    >
  >;
  readonly objects: Readonly<Record<string, Shape>>;
}

const vectors = JSON.parse(
  readFileSync('test/vectors/audit-formats-v1.json', 'utf8'),
) as FormatVectors;
const schema = JSON.parse(readFileSync('test/vectors/ocsf-1.8.0.json', 'utf8')) as OcsfSchema;

const ACTORS = [
  {
    kind: 'workload',
    id: 'k8s://prod/shop/web',
    cluster: 'prod',
    namespace: 'shop',
    serviceAccount: 'web',
    serviceAccountUid: 'uid-sa',
    podName: 'web-0',
    podUid: 'uid-pod',
    nodeName: 'node-1',
    session: 'ses_1',
  },
  { kind: 'workload', id: 'ci://gitlab/shop', cluster: 'gitlab', session: 'ses_2' },
  { kind: 'operator', id: 'ada', token: 'tok_1' },
  { kind: 'system', id: 'broker' },
  { kind: 'unauthenticated' },
];
const OBJECTS = [
  {},
  { path: 'payments/db', version: '3', lease: 'lea_1', credential: 'cre_1', count: 2 },
  { document: { kind: 'policy', name: 'payments' }, comment: 'because' },
  { workload: 'k8s://prod/shop/web', quarantine: 'qua_1', pod: { uid: 'uid-pod' } },
];

function located(members: object): LocatedEntry {
  const entry = JSON.stringify({
    writer: 'w1-x',
    seq: 4,
    prev: '0'.repeat(64),
    time: '2026-01-02T03:04:05.678Z',
    requestId: 'req_1',
    ...members,
  });
  return { origin: 'log.example/prod', index: 41, entry, leafHash: sha256Hex(entry) };
}

/** An entry for each action, outcome and kind of caller, with each kind of object in turn. */
const ALL = AUDIT_ACTIONS.flatMap((action) =>
  AUDIT_OUTCOMES.flatMap((outcome) =>
    ACTORS.map((actor, at) =>
      located({ actor, action, outcome, ...OBJECTS[(at + action.length) % OBJECTS.length] }),
    ),
  ),
);

/** No line may have them: control and format characters, such as those that reverse the direction of text, and line separators. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

type Json = Readonly<Record<string, unknown>>;

function parsed(format: LogFormat, entry: LocatedEntry): Json {
  return JSON.parse(formatEntry(format, entry)) as Json;
}

describe('the formats of the log', () => {
  it.each(vectors.entries)('equal the vector byte for byte: $name', (vector) => {
    for (const format of LOG_FORMATS)
      expect(formatEntry(format, vector)).toBe(vector.lines[format]);
  });

  it('have a row for every action', () => {
    expect(Object.keys(ACTION_ROWS).toSorted()).toEqual([...AUDIT_ACTIONS].toSorted());
  });

  it('are one line of ASCII for entries of ASCII', () => {
    for (const entry of ALL)
      for (const format of LOG_FORMATS)
        expect(formatEntry(format, entry)).toMatch(/^[\x20-\x7e]+$/);
  });

  it('write an entry with an action of a later release', () => {
    const entry = located({ action: 'toString', outcome: 'ok', actor: ACTORS[3] });
    expect(parsed('ocsf', entry)).toMatchObject({ class_uid: 6003, activity_name: 'toString' });
    expect(parsed('kubernetes', entry)).toMatchObject({ objectRef: { resource: 'unknown' } });
    expect(formatEntry('cef', entry)).toContain('|toString|toString|');
  });

  it('write no character that changes how a line is displayed (A01)', () => {
    const comment = 'a\u202eb\u200bc\u{e0041}d\u00ade';
    const entry = located({ action: 'quarantine.lift', outcome: 'ok', actor: ACTORS[2], comment });
    for (const format of LOG_FORMATS.slice(1))
      expect(formatEntry(format, entry)).not.toMatch(CONTROLS);
    expect(formatEntry('cef', entry)).toContain('msg=a?b?c?d?e');
    expect(parsed('ocsf', entry)).toMatchObject({ comment });
  });

  it('write any text that a client may choose on one line, without a control character', () => {
    const text = fc.string({ unit: anyCharacter, maxLength: 40 });
    fc.assert(
      fc.property(text, text, text, (userAgent, target, comment) => {
        const entry = located({
          action: 'quarantine.lift',
          outcome: 'ok',
          actor: ACTORS[2],
          comment,
          client: { address: '2001:db8::1', userAgent, target },
        });
        for (const format of LOG_FORMATS.slice(1))
          expect(formatEntry(format, entry)).not.toMatch(CONTROLS);
        expect(parsed('kubernetes', entry)).toMatchObject({ userAgent, requestURI: target });
        expect(parsed('ocsf', entry)).toMatchObject({ comment });
      }),
    );
  });
});

describe('an event of OCSF', () => {
  function check(shape: Shape, value: Json): void {
    expect(shape.required.filter((name) => value[name] === undefined)).toEqual([]);
    expect(Object.keys(value).filter((name) => !shape.attributes.includes(name))).toEqual([]);
    if (shape.atLeastOne.length > 0)
      expect(shape.atLeastOne.filter((name) => value[name] !== undefined)).not.toEqual([]);
  }

  const OBJECTS_OF: Readonly<Record<string, string>> = {
    metadata: 'metadata',
    actor: 'actor',
    user: 'user',
    api: 'api',
    service: 'service',
    src_endpoint: 'network_endpoint',
    finding_info: 'finding_info',
    entity: 'managed_entity',
    policy: 'policy',
    session: 'session',
  };

  it('has the attributes that its class requires, and none that the class lacks', () => {
    const { classes, objects } = schema;
    for (const entry of ALL) {
      const event = parsed('ocsf', entry);
      const shape = Object.values(classes).find(
        ({ class_uid }) => class_uid === event['class_uid'],
      );
      if (shape === undefined) throw new Error(`no class ${String(event['class_uid'])}`);
      check(shape, event);
      for (const [name, type] of Object.entries(OBJECTS_OF))
        if (event[name] !== undefined) check(objects[type]!, event[name] as Json);
      for (const resource of (event['resources'] ?? []) as readonly Json[])
        check(objects['resource_details']!, resource);
      const { actor, metadata } = event as Readonly<Record<string, Json | undefined>>;
      if (actor?.['user'] !== undefined) check(objects['user']!, actor['user'] as Json);
      check(objects['product']!, metadata!['product'] as Json);
      expect(shape.activities).toContain(event['activity_id']);
      expect(event['category_uid']).toBe(shape.category_uid);
      expect(event['type_uid']).toBe(
        Number(event['class_uid']) * 100 + Number(event['activity_id']),
      );
      expect(metadata!['version']).toBe(schema.version);
    }
  });

  it('maps only to classes of the schema', () => {
    const known = Object.values(schema.classes).map(({ class_uid }) => class_uid);
    expect(
      Object.values(OCSF_CLASSES)
        .map((each) => each.class)
        .toSorted(),
    ).toEqual(known.toSorted());
  });

  it('has the time in milliseconds, the entry itself and its place in the log', () => {
    const entry = located({ action: 'secret.read', outcome: 'ok', actor: ACTORS[0] });
    expect(parsed('ocsf', entry)).toMatchObject({
      time: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      raw_data: entry.entry,
      unmapped: {
        record_integrity: { index: 41, origin: 'log.example/prod', leaf_hash: entry.leafHash },
      },
    });
  });
});

describe('a message of CEF', () => {
  /** An independent reader of the format: seven header fields, then keys and values. */
  function read(message: string): { header: string[]; extension: Record<string, string> } {
    const parts = message.split(/(?<!\\)(?:\\\\)*\|/);
    const header = parts.slice(0, 7);
    const extension: Record<string, string> = {};
    const text = parts.slice(7).join('|');
    const keys = [...text.matchAll(/(?:^| )([A-Za-z][A-Za-z0-9]*)=/g)];
    for (const [at, key] of keys.entries()) {
      const start = key.index + key[0].length;
      const value = text.slice(start, keys[at + 1]?.index);
      extension[key[1] ?? ''] = value.replaceAll(/\\([\\=nr])/g, (_, letter: string) =>
        letter === 'n' ? '\n' : letter === 'r' ? '\r' : letter,
      );
    }
    return { header, extension };
  }

  it('has seven fields of a header with a severity from 0 to 10', () => {
    for (const entry of ALL) {
      const { header, extension } = read(formatEntry('cef', entry));
      expect(header).toHaveLength(7);
      expect(header[0]).toBe('CEF:0');
      expect(Number(header[6])).toBeGreaterThanOrEqual(0);
      expect(Number(header[6])).toBeLessThanOrEqual(10);
      expect(extension).toMatchObject({ rt: '1767323045678', externalId: '41' });
    }
  });

  it('keeps a bar, a backslash, an equals sign and line ends of a text', () => {
    const comment = String.raw`a|b\c=d` + '\r\n cs1=forged';
    const entry = located({ action: 'secret.read', outcome: 'ok', actor: ACTORS[2], comment });
    const text = formatEntry('cef', entry);
    expect(text).toContain(String.raw`msg=a|b\\c\=d\r\n cs1\=forged`);
  });

  it('escapes every text so that it is read back, and no text ends its field', () => {
    const text = fc.string({
      unit: fc.constantFrom('\\', '|', '=', '\n', '\r', ' ', 'a', 'n', 'é'),
    });
    fc.assert(
      fc.property(text, (value) => {
        const escaped = escapeValue(value);
        expect(escaped).not.toMatch(/[\r\n]/);
        expect(escaped.replaceAll(/\\./g, '')).not.toContain('=');
        const back = escaped.replaceAll(/\\(.)/g, (_, letter: string) =>
          letter === 'n' ? '\n' : letter === 'r' ? '\r' : letter,
        );
        expect(back).toBe(value);
        expect(escapeHeader(value).replaceAll(/\\./g, '')).not.toMatch(/[|\r\n]/);
      }),
    );
  });
});

describe('an audit event of Kubernetes', () => {
  it('has the fields of audit.k8s.io/v1, with times of six digits', () => {
    for (const entry of ALL)
      expect(parsed('kubernetes', entry)).toMatchObject({
        kind: 'Event',
        apiVersion: 'audit.k8s.io/v1',
        level: 'Metadata',
        stage: 'ResponseComplete',
        auditID: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/) as unknown,
        verb: expect.stringMatching(/^(get|list|watch|create|update|delete)$/) as unknown,
        user: { username: expect.any(String) as unknown, groups: expect.any(Array) as unknown },
        objectRef: { resource: expect.stringMatching(/^[a-z]+$/) as unknown },
        requestReceivedTimestamp: '2026-01-02T03:04:05.678000Z',
        stageTimestamp: '2026-01-02T03:04:05.678000Z',
      });
  });

  it('names a service account as the API server does', () => {
    const entry = located({ action: 'secret.read', outcome: 'deny', actor: ACTORS[0] });
    expect(parsed('kubernetes', entry)).toMatchObject({
      user: {
        username: 'system:serviceaccount:shop:web',
        uid: 'uid-sa',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:shop'],
        extra: { 'authentication.kubernetes.io/pod-name': ['web-0'] },
      },
      responseStatus: { status: 'Failure', code: 403 },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    });
  });
});
