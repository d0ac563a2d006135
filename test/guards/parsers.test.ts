import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** Functions whose name says that they parse, and whose first parameter is text, bytes or a value that was not checked. */
const PARSER =
  /^export (?:async )?function ((?:parse|decode|read|open)[A-Z]\w*)(?:<[^(]*>)?\(\s*(\w+|\{[^}]*\}): (?:readonly )?(?:string|unknown|Uint8Array|Buffer|JsonObject|Segment|IncomingMessage|IncomingHttpHeaders|Readonly<Record<string)/gm;

/** Functions of this form that read something else, or nothing that others control. */
const OTHERS: Readonly<Record<string, string>> = {
  'api/request/body/read-body.ts readBody':
    'collects bytes up to a bound; test/api/hostile-bodies.test.ts',
  'auth/jwt/token-claims.ts readAudiences': 'a part of readTokenClaims and readOidcClaims',
  'auth/jwt/token-claims.ts readTimes': 'a part of readTokenClaims and readOidcClaims',
  'auth/jwt/token-claims.ts readTokenId': 'a part of readTokenClaims and readOidcClaims',
  'audit/log/read-index.ts parseCoverage':
    'two numbers of a row of meta; any other text has the index built again',
  'features/attestations/read-attestation.ts readContent':
    'parses JSON that the broker wrote, and calls parseAttestation',
  'broker/kernel/read-pushed.ts readPushed': 'calls parseJson and the parser of its caller',
  'features/posture/report-summary.ts openSummary': 'a column under the MAC of its row',
  'cli/kernel/errors.ts readFailure': 'names an error of the file system',
  'domain/rotation/canary-stage.ts openCanaryStage': 'a column under the MAC of its row',
  'domain/text/parse-body.ts decodeBody': 'the decoder of Node; test/api/hostile-bodies.test.ts',
  'net/https/read-body.ts readBody':
    'collects bytes up to a bound; test/unit/client/hostile-answers.test.ts',
  'providers/aws/errors.ts readError': 'an error of the SDK, which its own mapping made',
  'providers/embedded/secrets/secret-text.ts decodeSecret':
    'a plaintext that was authenticated before',
};
/** Parameters of type text that are names: of a file, an option or a connection. */
const NAMES = ['file', 'name', 'option', 'path'];

function sources(folder: string): readonly string[] {
  const found = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return found.filter((file) => file.endsWith('.ts'));
}

function parsers(): readonly string[] {
  return sources('src').flatMap((file) => {
    const text = readFileSync(join(ROOT, 'src', file), 'utf8');
    return [...text.matchAll(PARSER)]
      .filter(([, , parameter = '']) => !NAMES.includes(parameter))
      .map(([, name]) => `${file} ${name}`);
  });
}

/** Parsers that a test with generated input imports. */
function fuzzed(): ReadonlySet<string> {
  const tests = sources('test').map((file) => readFileSync(join(ROOT, 'test', file), 'utf8'));
  const imports = /import \{([^}]*)\} from '[./]*\/src\/([^']+)'/g;
  const found = tests
    .filter((text) => text.includes("from 'fast-check'"))
    .flatMap((text) => [...text.matchAll(imports)])
    .flatMap(([, names = '', file]) =>
      names.split(',').map((name) => `${file} ${name.trim().split(' as ')[0]}`),
    );
  return new Set(found);
}

describe('functions that parse what others write', () => {
  it('are tested with generated input, or have a reason why not', () => {
    const known = fuzzed();
    const missing = parsers().filter((each) => !known.has(each) && !Object.hasOwn(OTHERS, each));
    expect(missing).toEqual([]);
  });

  it('are found by their names', () => {
    const all = parsers();
    expect(all.length).toBeGreaterThan(70);
    expect(Object.keys(OTHERS).filter((each) => !all.includes(each))).toEqual([]);
  });
});
