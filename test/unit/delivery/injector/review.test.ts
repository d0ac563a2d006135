import { describe, expect, it } from '@jest/globals';
import { templateProblems } from '../../../../src/delivery/injector/review.ts';
import { answerReview, warmUp } from '../../../../src/delivery/injector/review.ts';
import { podWith, SETTINGS } from '../../../kit/delivery/injected-pods.ts';

function reviewOf(annotations: Readonly<Record<string, string>>) {
  return answerReview(
    {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid: 'u',
        operation: 'CREATE',
        resource: { group: '', version: 'v1', resource: 'pods' },
        object: podWith(annotations),
      },
    },
    SETTINGS,
  );
}

describe('the templates of a pod', () => {
  it.each([
    ['{{ secrets.db.password', /^db:1:1: output .* not closed/],
    ['{% if secrets.db %}', /^db:1:1: tag .* not closed/],
    ['{% include "x" %}', /^db:1:1: tag "?include"? not found/],
    ['{{ secrets.db.password | shout }}', /^db:1:\d+: undefined filter: shout/],
    [
      '{{ secrets.mail.password }}',
      /^db uses secrets that are not configured: mail; configured: db$/,
    ],
    ['{{ db.password }}', /^db: every variable must begin with "secrets\."/],
  ])('are checked at admission: %j denies the pod', async (text, message) => {
    const { outcome, problems } = (await reviewOf({ 'template-db': text }))!;
    expect(outcome).toBe('denied');
    expect(problems).toEqual([
      { place: 'quaymaster.dev/template-db', message: expect.stringMatching(message) as unknown },
    ]);
  });

  it('are all named in one denial', async () => {
    const { problems } = (await reviewOf({ 'template-a': '{{', 'template-b': '{%' }))!;
    expect(problems.map(({ place }) => place)).toEqual([
      'quaymaster.dev/template-a',
      'quaymaster.dev/template-b',
    ]);
  });

  it('accept any key, because the webhook does not know what a secret contains', async () => {
    expect(await reviewOf({ 'template-db': '{{ secrets.db.no-such-key }}' })).toMatchObject({
      outcome: 'injected',
    });
  });

  it('are left to the agent if they are longer than 8 KiB', async () => {
    const broken = { name: 'long', file: 'long', text: '{{'.padEnd(8 * 1024 + 1) };
    expect(await templateProblems({ secrets: [], templates: [broken] })).toEqual([]);
    const shorter = { ...broken, text: broken.text.slice(0, -1) };
    expect(await templateProblems({ secrets: [], templates: [shorter] })).toHaveLength(1);
  });

  it('are parsed one in each turn of the event loop', async () => {
    let turns = 0;
    const counter = setInterval(() => (turns += 1), 0);
    const text = '{{ secrets.db.k }}'.repeat(400);
    const templates = Array.from({ length: 20 }, (_, n) => ({
      name: `t${n}`,
      file: `t${n}`,
      text,
    }));
    const secrets = [{ name: 'db', path: 'a/db', isOptional: false }];
    expect(await templateProblems({ secrets, templates })).toEqual([]);
    clearInterval(counter);
    expect(turns).toBeGreaterThan(1);
  });
});

it('the warm-up injects a pod, and denies one for its 8,000 annotations', async () => {
  expect(await warmUp()).toEqual(['injected', 'denied']);
});
