import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { until } from '../../kit/backends/until.ts';
import { Installation } from '../../kit/broker/installation.ts';
import { LiteWitness } from '../../kit/log/lite-witness.ts';
import { TestWitness } from '../../kit/log/test-witness.ts';

const NAMES = ['forks', 'forgets', 'stranger'] as const;
type Name = (typeof NAMES)[number];
const ORIGIN = 'quaymaster.test/e2e';

describeWith(['litewitness'], 'a broker with an honest witness and others', ({ litewitness }) => {
  let broker: Installation;
  let honest: LiteWitness;
  let scripted: Record<Name, TestWitness>;
  let admin: string;

  beforeAll(async () => {
    honest = await LiteWitness.start(litewitness, 'witness.example/honest');
    const started = NAMES.map(
      async (name) => [name, await TestWitness.start(`witness.example/${name}`)] as const,
    );
    scripted = Object.fromEntries(await Promise.all(started)) as typeof scripted;
    broker = await Installation.make();
    const witnesses = Object.entries({ honest, ...scripted });
    await broker.configure({
      audit: {
        origin: ORIGIN,
        logKeyFile: broker.file('keys/log.pem'),
        checkpointFile: broker.file('keys/checkpoint'),
        sinks: [{ type: 'file', path: broker.file('audit.jsonl') }],
        witnesses: witnesses.map(([name, { url, key }]) => ({ name, url, key })),
        witnessPolicy: { required: 1 },
      },
    });
    admin = await broker.initialise();
    await broker.write('admin.token', admin);
    await broker.start();
    const printed = await verb('audit', 'log-key');
    const logKey = /\S+\+[0-9a-f]{8}\+\S+/.exec(printed)?.[0] ?? '';
    for (const [, witness] of witnesses) witness.trust(logKey);
  }, 240_000);
  afterAll(async () => {
    await broker.remove();
    await honest.stop();
    await Promise.all(Object.values(scripted).map((each) => each.close()));
  });

  const verb = (...words: readonly string[]): Promise<string> =>
    broker.verb(...words, '--url', broker.url, '--token-file', broker.file('admin.token'));

  /** Returns the output of a command that exits with 1. */
  const printed = (...words: readonly string[]): Promise<string> =>
    verb(...words).catch((error: unknown) => (error as { stdout: string }).stdout);

  /** Records an entry again and again: the broker asks its witnesses only while the log grows. */
  async function grownUntil(what: string, condition: () => Promise<boolean>): Promise<void> {
    await until(what, async () => {
      await broker.call('GET', '/api/v1/audit/entries?limit=1', { token: admin });
      return condition();
    });
  }

  /** The values of one metric for these witnesses, in one scrape. */
  async function metric(
    name: string,
    witnesses: readonly (Name | 'honest')[],
  ): Promise<readonly number[]> {
    const headers = { authorization: `Bearer ${admin}` };
    const text = await (await fetch(`${broker.url}/metrics`, { headers })).text();
    return witnesses.map((witness) => {
      const line = new RegExp(
        `^quaymaster_audit_witness_${name}\\{witness="${witness}"\\} (\\d+)$`,
        'm',
      );
      return Number(line.exec(text)?.[1]);
    });
  }

  it('counts the cosignatures of all while they are honest', async () => {
    await grownUntil('all cosigned', async () => {
      const failing = await metric('failing', [...NAMES, 'honest']);
      const sizes = Object.values(scripted).map((each) => each.sizeOf(ORIGIN));
      return failing.every((value) => value === 0) && sizes.every((size) => size > 0);
    });
    expect(await verb('doctor')).toMatch(/ok +witnesses: enough of them cosigned [1-9]\d* entries/);
  });

  it('reports a witness that cosigns another root, answers an old size, or signs with another key (AL05)', async () => {
    scripted.forks.misbehaviour = 'other_root';
    scripted.stranger.misbehaviour = 'other_key';
    scripted.forgets.rollBack(ORIGIN);
    await grownUntil('each is reported', async () => {
      return (await metric('contradictions', NAMES)).every((count) => count > 0);
    });
    expect(await metric('contradictions', ['honest'])).toEqual([0]);
    for (const [name, fault] of [
      ['forks', 'bad_cosignature'],
      ['forgets', 'rolled_back'],
      ['stranger', 'other_key'],
    ] as const)
      expect(broker.output).toMatch(
        new RegExp(`"witness":"${name}","fault":"${fault}".*gave no cosignature`),
      );
    const ready = await broker.call('GET', '/readyz');
    expect(ready).toMatchObject({ status: 200, json: { warnings: ['audit_witness_contradicts'] } });
    const findings = await printed('doctor');
    for (const name of NAMES) {
      expect(findings).toContain(`PROBLEM  witness "${name}": contradicts the log, or itself`);
      expect(await printed('status')).toContain(`witness ${name}: CONTRADICTS the log or itself`);
    }
    expect(findings).not.toContain('witness "honest"');
  });

  it('counts no cosignature of them, and audit verify says how many are left (AL05)', async () => {
    await broker.stop();
    const target = broker.file('export');
    await broker.verb('audit', 'export', target, '--config', broker.file('config.yaml'));
    const keys = [honest, scripted.forks, scripted.stranger].flatMap(({ key }) => [
      '--witness-key',
      key,
    ]);
    const verified = await broker.verb(
      'audit',
      'verify',
      target,
      ...keys,
      '--require-witnesses',
      '1',
    );
    expect(verified).toMatch(/witnessed: the first \d+ entries, by witness\.example\/honest, at /);
    const failed = await broker
      .verb('audit', 'verify', target, ...keys, '--require-witnesses', '2')
      .catch((error: unknown) => (error as { stdout: string }).stdout);
    expect(failed).toContain(
      'not_witnessed: no checkpoint of this log has cosignatures of 2 of the 3 given witnesses; the best has 1',
    );
  });
});
