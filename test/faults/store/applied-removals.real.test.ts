import { expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { dump } from 'js-yaml';
import { bearer, BrokerClient } from '../../../src/client/index.ts';
import { runRelease } from '../../../src/program/verbs/release.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { policy } from '../../kit/api/running-api.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { until } from '../../kit/backends/until.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { Rsyslog } from '../../kit/log/rsyslog.ts';

function clientOf({ url }: Serving, token: string): BrokerClient {
  return new BrokerClient({ url }).as(bearer(token));
}

describeWith(['rsyslog'], 'a release after the loss of the disk', ({ rsyslog: tool }) => {
  it('applies the removals in the file that the real rsyslog wrote (BR01)', async () => {
    const rsyslog = await Rsyslog.start(tool);
    const own = await AttackedInstallation.make((directory) => {
      const caFile = `${directory}/siem-ca.pem`;
      writeFileSync(caFile, rsyslog.ca);
      const sink = { type: 'syslog', host: '127.0.0.1', port: rsyslog.port, caFile };
      return { audit: { sinks: [sink] } };
    });
    try {
      const admin = await own.init();
      const first = await own.serve();
      let broker = clientOf(first, admin);
      const body = policy('p1', ['team/**'], ['read']) as never;
      const headers = { 'If-None-Match': '*' } as const;
      await broker.call('putPolicy', { path: { name: 'p1' }, headers, body });
      broker.close();
      await first.stop('test');
      own.copyStore('older');

      const second = await own.serve();
      broker = clientOf(second, admin);
      await broker.call('deletePolicy', { path: { name: 'p1' }, headers: { 'If-Match': '*' } });
      const quarantine = {
        kind: 'operator',
        operator: 'oidc:corp/mallory',
        reason: 'stolen',
      } as const;
      await broker.call('createQuarantine', { body: quarantine });
      broker.close();
      await until('rsyslog has the quarantine', async () =>
        (await rsyslog.messages()).some(({ text }) => text.includes('quarantine.create')),
      );
      await second.stop('test');
      let seen = 0;
      await until('rsyslog has written what it got', async () => {
        await pause(1_000);
        const before = seen;
        seen = (await rsyslog.messages()).length;
        return seen === before;
      });
      own.restoreStore('older');

      const config = own.at('config.yaml');
      await writeFile(config, dump(own.config), { mode: 0o600 });
      const applied = await runRelease({
        config,
        comment: 'the disk was lost',
        applyRemovals: rsyslog.file,
        yes: true,
      });
      expect(applied).toContain('policy/p1');
      const third = await own.serve();
      broker = clientOf(third, admin);
      expect((await broker.call('listPolicies')).body.items).toEqual([]);
      expect(third.broker.parts.quarantines.inForce()).toMatchObject([
        { subject: 'oidc:corp/mallory' },
      ]);
      broker.close();
      await third.stop('test');
    } finally {
      await own.remove();
      await rsyslog.stop();
    }
  });
});
