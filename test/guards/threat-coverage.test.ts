import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** Attacks and faults of the built parts; a row without a test needs a reason. */
const ROWS = [
  'J01 J03 J05 J06 J08 J09 J10 J11 J13 J15 J16 J18 J19 J20 J21 J22 J24 J25 J27 J29 J30 J31',
  'T01 T02 T03 T06 T07 T09 T10',
  'P01 P03 P05 P07 P08 P09 P11 P13 P15 P16 P18 P19 P20',
  'L02 L05 L06 L08 L09 L10 L11 L21 L22 L23 L24 L25 L26',
  'C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14',
  'B02 B04 B05 B06 B07 B08 B09',
  'A01 A03 A05 A06 A08 A09 A10 A11 A12 A13',
  'AL01 AL02 AL03 AL04 AL05',
  'R01 R04 R05 R07 R08',
  'D02 D03 D05 D06 D08 D09 D11 D12 D13 D14 D15',
  'DI01 DI02 DI03 DI04 DI05 DI06 DI07 DI08 DI09 DI10',
  'HS01 HS03 HS04 HS05',
  'O23 O24',
  'ED01 ED02 ED03 ED04 ED05 ED06 ED07 ED08 ED09 ED10 ED11 ED12',
  'O01 O03 O04 O08 O09 O11 O26 O27 O28 O29',
  'HT01 HT02 HT03 HT04 HT05 HT06',
  'G02 G03 G04 N06',
  'N02 N03 N07 N08',
  'X01 X03 X04 X05 X07',
  'RS01 RS02 RS03 RS04 RS05 RS06 RS07 RS08 RS09 RS10 RS11 RS12 RS13 RS14',
  'IS01 IS02 IS03 IS04 IS05 IS06 IS07 IS08 IS09',
  'EV01 EV02 EV03 EV04 EV05 EV06 EV07 EV08 EV09 EV10 EV11 EV12 EV13 EV14',
  'CR01 CR02 CR03 CR04 CR05 CR06 CR07 CR08 CR09',
  'F01 F02 F03 F04 F05 F06 F07 F08 F09 F10 F11',
  'F12 F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24 F25 F26 F29 F30 F31 F32 F33 F34 F36 F40 F41 F42 F43',
  'F44 F45 F48 F49 F50 F51 F52 F53 F54 F55 F56 F57 F58 F59 F60 F62',
].flatMap((group) => group.split(' '));

interface Row {
  readonly id: string;
  readonly cell: string;
}

function rows(): readonly Row[] {
  const page = readFileSync(join(ROOT, 'docs/threat-coverage.md'), 'utf8');
  return [...page.matchAll(/^\| ([A-Z]{1,2}\d\d) \| (.+) \|$/gm)].map(([, id = '', cell = '']) => ({
    id,
    cell,
  }));
}

/** Whether the file has a suite, test or table of tests whose title is exactly this text. */
function hasTest(path: string, title: string): boolean {
  const source = readFileSync(join(ROOT, path), 'utf8').replaceAll(/\(\s+/g, '(');
  const quoted = [`'${title.replaceAll("'", "\\'")}'`, `"${title}"`, `\`${title}\``];
  return quoted.some((text) => source.includes(`(${text},`));
}

describe('docs/threat-coverage.md', () => {
  it('has each row once, in order', () => {
    expect(rows().map(({ id }) => id)).toEqual(ROWS);
  });

  it.each(rows())(
    '$id names existing tests, or gives the reason why there are none',
    ({ cell }) => {
      if (cell.startsWith('not built: ')) return;
      const tests = cell.split('<br>');
      for (const test of tests) {
        const [, path = '', title = ''] = /^(test\/[\w./-]+\.ts): `(.+)`$/.exec(test) ?? [];
        expect(path).not.toBe('');
        expect({ test, isThere: hasTest(path, title) }).toEqual({ test, isThere: true });
      }
    },
  );
});
