import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { OperationTallies } from '../../src/api/request/operation-tallies.ts';
import { Shares } from '../../src/api/request/memory-shares.ts';
import type { RunningBroker } from '../../src/program/broker/broker.ts';
import { OPTIONS } from '../../src/features/options.ts';
import { allMetrics } from '../../src/program/serving/all-metrics.ts';
import { trustMetrics } from '../../src/program/injector/injector.ts';
import { injectorMetrics } from '../../src/program/injector/serve-injector.ts';
import type { ConfigReload } from '../../src/program/broker/config-reload.ts';
import {
  certificateMetrics,
  configurationMetrics,
  readinessMetrics,
  traceMetrics,
} from '../../src/program/metrics/serving-metrics.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly action: string };
}
interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const ALERTS = 'deploy/prometheus/alerts.yaml';
const { groups } = load(readFileSync(ALERTS, 'utf8')) as {
  groups: readonly { rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync('deploy/grafana/quaymaster.json', 'utf8')) as {
  panels: readonly Panel[];
};
const panels = dashboard.panels.filter(({ targets = [] }) => targets.length > 0);
const page = readFileSync('docs/monitoring.md', 'utf8');

/** Labels that Prometheus itself adds. */
const ADDED = ['instance', 'job'];

/** The labels of each metric of a broker, by the names of its series. No gauge is collected, so the broker needs no parts. */
function labelsBySeries(): ReadonlyMap<string, readonly string[]> {
  const broker = {
    parts: {},
    trail: {},
    clusters: {},
    options: OPTIONS,
  } as unknown as RunningBroker;
  const metrics = [
    ...allMetrics(broker),
    ...readinessMetrics(() => ({ ready: true, reasons: [] })),
    ...trustMetrics('prod', { isEntered: true }),
    ...injectorMetrics('prod', () => true),
    ...certificateMetrics({ expiresAt: () => 0, hasReloadFailed: () => false }),
    ...configurationMetrics({} as unknown as ConfigReload),
    ...traceMetrics({ counts: { exported: 0, dropped: 0 } }),
    ...new Shares().metrics(),
    ...new OperationTallies().metrics(),
  ];
  const known = new Map<string, readonly string[]>([
    ['up', []],
    ['quaymaster_scrape_failures_total', ['collector']],
  ]);
  for (const metric of metrics) {
    const labels = 'labels' in metric ? metric.labels : [];
    const parts = 'durations' in metric ? ['_bucket', '_sum', '_count'] : [];
    for (const part of parts) known.set(metric.name + part, [...labels, 'le']);
    if (parts.length === 0) known.set(metric.name, labels);
  }
  return known;
}

const known = labelsBySeries();

/** Lists the names of an expression that no broker has. */
function unknownIn(expression: string): readonly string[] {
  const series = [...expression.matchAll(/\b(quaymaster_\w+|up)\b(?:\{([^}]*)\})?/g)];
  const names = series.map(([, name = '']) => name);
  const labels = new Set([...ADDED, ...names.flatMap((name) => known.get(name) ?? [])]);
  const selected = series.flatMap(([, name = '', matchers = '']) =>
    [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)]
      .map(([, label = '']) => label)
      .filter((label) => ![...ADDED, ...(known.get(name) ?? [])].includes(label))
      .map((label) => `${name}{${label}}`),
  );
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)]
    .flatMap(([, list = '']) => list.split(/,\s*/))
    .filter((label) => !labels.has(label));
  return [...names.filter((name) => !known.has(name)), ...selected, ...grouped];
}

describe('the alert rules', () => {
  it.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s uses metrics and labels that exist, and is explained',
    (name, { expr, labels, annotations }) => {
      expect(expr).toMatch(/quaymaster/);
      expect(unknownIn(expr)).toEqual([]);
      const used = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
      for (const label of used) {
        const kept = /\b(?:sum|max) by \(/.test(expr) ? expr : [...known.values()].flat().join();
        expect(`${kept} ${ADDED.join()}`).toContain(label);
      }
      expect(annotations.action).not.toBe('');
      expect(page).toContain(`| \`${name}\` | ${labels.severity} |`);
    },
  );

  it('have names of their own', () => {
    const names = rules.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the dashboard', () => {
  it.each(panels.map((panel) => [panel.title, panel] as const))(
    '%s uses metrics and labels that exist',
    (_, { targets = [] }) => {
      for (const { expr, legendFormat } of targets) {
        expect(expr).toMatch(/quaymaster_/);
        expect(unknownIn(expr)).toEqual([]);
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          expect([...ADDED, ...[...known.values()].flat()]).toContain(label);
        }
      }
    },
  );
});

it('metrics of clusters and of connections have their names as labels', () => {
  const concerned =
    /_(?:backend|value_cache)_|_watches|_watched_|_injector_|_injections_|custom_resources|_object_reviews_|_alert_pods_/;
  const unnamed = [...known].filter(
    ([name, labels]) =>
      concerned.test(name) && !labels.includes('cluster') && !labels.includes('connection'),
  );
  expect(unnamed.map(([name]) => name)).toEqual([]);
});

it('docs/metrics.md has every metric', () => {
  const metrics = readFileSync('docs/metrics.md', 'utf8');
  const documented = [...metrics.matchAll(/^\| `(quaymaster_\w+)/gm)].map(([, name]) => name);
  for (const name of known.keys()) {
    if (name === 'up') continue;
    expect(documented).toContain(name.replace(/_(?:bucket|sum|count)$/, ''));
  }
});

it.each([
  ['quaymaster_reday == 0', ['quaymaster_reday']],
  ['quaymaster_rotations{status="parked"}', ['quaymaster_rotations{status}']],
  ['sum by (path) (quaymaster_leases_live)', ['path']],
  ['quaymaster_http_request_duration_seconds > 1', ['quaymaster_http_request_duration_seconds']],
])('the check finds the mistake in %s', (expression, found) => {
  expect(unknownIn(expression)).toEqual(found);
});
