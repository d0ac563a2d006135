import { expect, it } from '@jest/globals';
import { Activity } from '../../../../src/api/request/activity.ts';

const MINUTE = 60_000;

it('counts logins, reads and refusals in the minute of their answer', () => {
  const activity = new Activity();
  activity.add('createSession', 201, 5 * MINUTE);
  activity.add('readSecret', 200, 5 * MINUTE + 59_999);
  activity.add('vault.readData', 200, 6 * MINUTE);
  activity.add('readSecret', 403, 8 * MINUTE);
  activity.add('listSecrets', 401, 8 * MINUTE);
  activity.add('readSecret', 404, 8 * MINUTE);
  activity.add('listSecrets', 200, 8 * MINUTE);
  expect(activity.read(8 * MINUTE + 1_000)).toEqual({
    age: 3 * MINUTE + 1_000,
    logins: [1, 0, 0, 0],
    reads: [1, 1, 0, 0],
    refusals: [0, 0, 0, 2],
  });
});

it('keeps three hours, and forgets what a minute had three hours before', () => {
  const activity = new Activity();
  activity.add('readSecret', 200, 0);
  activity.add('readSecret', 200, 179 * MINUTE);
  expect(activity.read(179 * MINUTE).reads).toHaveLength(180);
  expect(activity.read(179 * MINUTE).reads[0]).toBe(1);
  const later = activity.read(180 * MINUTE);
  expect(later.reads).toHaveLength(180);
  expect(later.reads.reduce((sum, each) => sum + each, 0)).toBe(1);
  expect(activity.read(1_000 * MINUTE).reads).toEqual(Array.from({ length: 180 }, () => 0));
});

it('has one empty minute before the first answer', () => {
  expect(new Activity().read(7 * MINUTE + 30_000)).toEqual({
    age: 30_000,
    logins: [0],
    reads: [0],
    refusals: [0],
  });
});
