import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';

const run = promisify(execFile);
const RULES = 'deploy/prometheus/alerts.yaml';

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[];
}

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
}

describeWith(['promtool'], 'promtool', ({ promtool: { program, directory } }) => {
  it('accepts the alert rules', async () => {
    const { stdout } = await run(program, ['check', 'rules', RULES]);
    expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
  });

  it('accepts the expression of each panel of the dashboard', async () => {
    const text = await readFile('deploy/grafana/quaymaster.json', 'utf8');
    const { panels } = JSON.parse(text) as Dashboard;
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    // Grafana replaces its variables before it sends a query.
    const rules = expressions.map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    const file = join(directory, 'panels.yaml');
    await writeFile(file, dump({ groups: [{ name: 'panels', rules }] }));
    const { stdout } = await run(program, ['check', 'rules', file]);
    expect(stdout).toContain(`SUCCESS: ${expressions.length} rules found`);
  });

  /** Writes a file with the rule of one alert. The rules do not depend on each other, and promtool evaluates each rule of a file at each step. */
  async function writeRule(alert: string): Promise<string> {
    const { groups } = load(await readFile(RULES, 'utf8')) as Rules;
    const rules = groups.flatMap((group) => group.rules.filter((rule) => rule.alert === alert));
    expect(rules).toHaveLength(1);
    const file = join(directory, `${alert}-rule.yaml`);
    await writeFile(file, dump({ groups: [{ name: alert, rules }] }));
    return file;
  }

  /** Runs the rule of an alert over series, one sample in five minutes. @returns whether the alert fires at the end */
  async function firing(
    series: Readonly<Record<string, string>>,
    alert: string,
    at: string,
  ): Promise<boolean> {
    const file = join(directory, `${alert}.yaml`);
    const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    const rule_files = [await writeRule(alert)];
    const alert_rule_test = [{ alertname: alert, eval_time: at, exp_alerts: [] }];
    const tests = [{ interval: '5m', input_series, alert_rule_test }];
    await writeFile(file, dump({ rule_files, evaluation_interval: '5m', tests }));
    return run(program, ['test', 'rules', file]).then(
      () => false,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        const text = `${stdout}${stderr}`;
        if (!text.includes(`alertname="${alert}"`)) throw new Error(text);
        return true;
      },
    );
  }

  it.each([
    ['QuaymasterAlertCutOff', 'quaymaster_alerts_total{source="falco",outcome="responding"}'],
    ['QuaymasterDecoyRead', 'quaymaster_alerts_total{source="decoy",outcome="kept"}'],
    ['QuaymasterPostureViolation', 'quaymaster_alerts_total{source="posture",outcome="pending"}'],
    ['QuaymasterIncidentOpened', 'quaymaster_alerts_total{source="operator",outcome="responding"}'],
  ])('fires %s for the first alert of its kind, and for nothing', async (alert, series) => {
    expect(await firing({ [series]: '0 0 1 1' }, alert, '15m')).toBe(true);
    expect(await firing({ [series]: '0 0 0 0' }, alert, '15m')).toBe(false);
  });

  it('fires for responses that wait, and for alerts beyond a limit', async () => {
    const unfinished = { quaymaster_responses_unfinished: '1x12' };
    expect(await firing(unfinished, 'QuaymasterResponseUnfinished', '1h')).toBe(true);
    expect(
      await firing({ quaymaster_alerts_pending: '1x12' }, 'QuaymasterAlertsPending', '1h'),
    ).toBe(true);
  });

  it('fires for a cluster without a ready injector, and not while one of two is ready or where none ever was', async () => {
    const absent = (one: string, two: string): Promise<boolean> => {
      const of = (instance: string): string =>
        `quaymaster_injector_ready{cluster="prod",instance="${instance}"}`;
      return firing({ [of('a')]: one, [of('b')]: two }, 'QuaymasterInjectorAbsent', '30m');
    };
    expect(await absent('1 0x6', '1 1x6')).toBe(false);
    expect(await absent('1 0x6', '1 0x6')).toBe(true);
    // Prometheus marks the series of pods that are gone as stale.
    expect(await absent('1 stale', '1 stale')).toBe(true);
    expect(await firing({ quaymaster_ready: '1x6' }, 'QuaymasterInjectorAbsent', '30m')).toBe(
      false,
    );
  });

  it('fires for a receiver of notifications that fails, and not for one that failed for a moment', async () => {
    const failing = (values: string): Promise<boolean> => {
      const series = 'quaymaster_notifications_failing{receiver="pager"}';
      return firing({ [series]: values }, 'QuaymasterNotificationsFailing', '30m');
    };
    expect(await failing('0 1x6')).toBe(true);
    expect(await failing('0 1 0x6')).toBe(false);
  });

  it('fires for a source that cut off all pods that it may, and for a scope that is not cut off completely', async () => {
    const used = (pods: string): Promise<boolean> => {
      const labels = '{source="falco",cluster="prod"}';
      const series = {
        [`quaymaster_alert_pods_cut_off${labels}`]: pods,
        [`quaymaster_alert_pods_limit${labels}`]: '6x6',
      };
      return firing(series, 'QuaymasterAlertLimitUsedUp', '15m');
    };
    expect(await used('6x6')).toBe(true);
    expect(await used('5x6')).toBe(false);
    const uncontained = { quaymaster_response_uncontained_seconds: '0 31x6' };
    expect(await firing(uncontained, 'QuaymasterResponseNotContained', '15m')).toBe(true);
  });

  it('fires for a source that never sent anything, and for one that is silent after a restart', async () => {
    const silent = (values: string): Promise<boolean> => {
      const series = 'quaymaster_alert_source_last_timestamp_seconds{source="falco"}';
      return firing({ [series]: values }, 'QuaymasterAlertSourceSilent', '40h');
    };
    expect(await silent('0x500')).toBe(true);
    // The clock of promtool begins at 0. The source sent something at 2 h, then the broker restarted.
    expect(await silent('7200x100 0x400')).toBe(true);
    // It sent something at 30 h, then the broker restarted.
    expect(await silent('108000x400 0x100')).toBe(false);
  });

  it('fires for a check of the indexes that fails, or that no process completes in two days of restarts', async () => {
    const incomplete = (series: string, values: string): Promise<boolean> =>
      firing({ [series]: values }, 'QuaymasterIndexCheckIncomplete', '60h');
    const warning = 'quaymaster_warning{warning="index_check_incomplete"}';
    expect(await incomplete(warning, '0x600 1x200')).toBe(true);
    expect(await incomplete(warning, '0x800')).toBe(false);
    const completed = 'quaymaster_store_check_completed_timestamp_seconds';
    expect(await incomplete(completed, '0x100 _x5 0x100 _x5 0x600')).toBe(true);
    expect(await incomplete(completed, '0x300 5000x5 0x500')).toBe(false);
    // The broker began a day ago.
    expect(await incomplete(completed, '_x432 0x400')).toBe(false);
  });
});
