import { describe, expect, it } from '@jest/globals';
import { mysqlConnectionSchema } from '../../../../src/providers/mysql/config.ts';

const problemsWith = (username: string): readonly string[] => {
  const { error } = mysqlConnectionSchema.safeParse({
    type: 'mysql',
    host: '127.0.0.1',
    username,
    passwordFile: '/run/password',
    locators: ['users/*'],
  });
  return (error?.issues ?? []).map(({ path }) => path.join('/'));
};

describe('the name of a MySQL connection', () => {
  it.each(['quaymaster', 'ключ', "o'brien`", 'x'.repeat(80)])('is accepted as %j', (username) => {
    expect(problemsWith(username)).toEqual([]);
  });

  it.each([
    ['is empty', ''],
    ['is a blank', ' '],
    ['ends in a blank', 'quaymaster '],
    ['has a NUL', 'quay\0master'],
    ['has a character that needs four bytes', 'key🔑'],
    ['has half a character', 'key\ud83d'],
    ['is too long', 'x'.repeat(81)],
  ])('is refused when it %s', (_what, username) => {
    expect(new Set(problemsWith(username))).toEqual(new Set(['username']));
  });
});
