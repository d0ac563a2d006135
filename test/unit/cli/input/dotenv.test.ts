import { parseEnv } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DotenvError, parseDotenv } from '../../../../src/cli/input/dotenv.ts';
import { quoteDotenv } from '../../../../src/domain/text/dotenv.ts';
import { anyCharacter } from '../../../kit/checks/characters.ts';

const read = (text: string): Record<string, string> =>
  Object.fromEntries(parseDotenv(text).map(({ name, value }) => [name, value]));

describe('a .env file', () => {
  it('has every value that it was written with', () => {
    const value = fc.string({ unit: anyCharacter }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(read(`A=${quoteDotenv(a)}\nB=${quoteDotenv(b)}\n`)).toEqual({ A: a, B: b });
      }),
    );
  });

  it.each([
    'A=1\nB=two words \n',
    '\ufeffexport A=x # comment\n\n  # another\nB = y\r\nC=\n',
    `A='single # kept' # comment\nB="double\\nline"\nC="a\nb"`,
    'B=a=b==\nC="a\tb"\nD="x#y"',
  ])('is read as Node reads it: %j', (text) => {
    expect(read(text)).toEqual(parseEnv(text.replace('\ufeff', '')));
  });

  it('marks a value that programs read in different ways', () => {
    const marked = parseDotenv('A=x#y\nB="x#y"\nC=x #y').map((each) => each.isAmbiguous);
    expect(marked).toEqual([true, false, false]);
  });

  it.each([
    ['A', 1, 'is not NAME=value'],
    ['A=1\n=2', 2, 'is not NAME=value'],
    ['A="x\ny', 1, 'has no closing "'],
    ["A='x' y", 1, 'has text after the closing quote'],
    ['A=1\nA=2', 2, 'sets A again'],
  ])('is refused with the line: %j', (text, line, message) => {
    expect(() => parseDotenv(text)).toThrow(new DotenvError(line, message));
  });
});
