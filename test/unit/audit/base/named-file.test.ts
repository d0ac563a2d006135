import { expect, it } from '@jest/globals';
import { readFailure } from '../../../../src/audit/base/named-file.ts';

it.each([
  [
    'EACCES',
    / this user may not read it, and its content was not looked at: .* sudo -u quaymaster$/,
  ],
  ['EPERM', / this user may not read it/],
  ['ENOENT', /^cannot read log\/manifest\.json: ENOENT$/],
])('says what helps against %s', (code, text) => {
  expect(readFailure('log/manifest.json', { code })).toMatch(text);
});
