import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { checkConfig } from '../../src/program/config/load.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Manifest } from '../kit/backends/kube-apply.ts';
import { BACKUP, renderChart, templateChart, VARIANTS, WITHOUT_FILES } from './chart.ts';
import { only } from './manifests.ts';
import { podTemplate } from './verdicts.ts';

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[];
}

const NAMES = Object.keys(VARIANTS).filter((name) => name.includes('without a volume of keys'));

describeWith(['helm'], 'the chart without a key and a checkpoint in a file', ({ helm }) => {
  const podOf = (manifests: readonly Manifest[], kind: string): PodSpec =>
    podTemplate(only(manifests, kind)).spec as unknown as PodSpec;

  const claimsOf = (manifests: readonly Manifest[]): readonly string[] =>
    manifests
      .filter(({ kind }) => kind === 'PersistentVolumeClaim')
      .map(({ metadata }) => metadata.name);

  it.each(NAMES)('has no claim, volume, mount and path of keys: %s', async (name) => {
    const manifests = await renderChart(helm, VARIANTS[name]!);
    const expected = name.includes('backups') ? ['quaymaster-backups'] : [];
    expect(claimsOf(manifests)).toEqual(expected);
    expect(JSON.stringify(manifests)).not.toContain('quaymaster-keys');
    const map = only(manifests, 'ConfigMap')['data'] as Readonly<Record<string, string>>;
    const { audit } = checkConfig(load(map['config.yaml'] ?? ''), 'the ConfigMap');
    expect(audit).toMatchObject({ logKey: 'store', checkpoint: { bucket: 'checkpoints' } });
    const policy = JSON.stringify(only(manifests, 'NetworkPolicy'));
    expect(policy).toContain('"port":9443');
  });

  it('keeps the first token in memory of the Job, in a container without keys, until someone took it', async () => {
    const manifests = await renderChart(helm, VARIANTS[NAMES[0]!]!);
    const { initContainers = [], containers, volumes } = podOf(manifests, 'Job');
    const file = '/run/quaymaster-token/bootstrap-token';
    expect(initContainers.map(({ args }) => args?.slice(0, 3))).toEqual([
      ['init', '--token-file', file],
    ]);
    const [{ command = [], volumeMounts } = { volumeMounts: [] }] = containers;
    expect(command.at(-1)).toContain(file);
    expect(volumeMounts).toEqual([{ name: 'token', mountPath: '/run/quaymaster-token' }]);
    expect(volumes.find(({ name }) => name === 'token')?.emptyDir).toMatchObject({
      medium: 'Memory',
    });
    expect(only(manifests, 'Job')['spec']).toMatchObject({ activeDeadlineSeconds: 3_600 });
  });

  it('accepts the values of docs/kubernetes.md', async () => {
    const page = readFileSync('docs/kubernetes.md', 'utf8');
    const [, values = ''] =
      /^## Without a volume of keys$[^]*?^```yaml\n([^]*?)^```$/m.exec(page) ?? [];
    const manifests = await renderChart(helm, load(values) as object);
    expect(claimsOf(manifests)).toEqual([]);
    const map = only(manifests, 'ConfigMap')['data'] as Readonly<Record<string, string>>;
    expect(checkConfig(load(map['config.yaml'] ?? ''), 'the ConfigMap').audit.logKey).toBe('store');
  });

  it('keeps the volume as long as one of the files is there', async () => {
    const { config } = WITHOUT_FILES;
    const { logKey, checkpoint } = config.audit;
    for (const audit of [{ logKey }, { checkpoint }]) {
      const values = { ...WITHOUT_FILES, config: { ...config, audit } };
      expect(claimsOf(await renderChart(helm, values))).toEqual(['quaymaster-keys']);
    }
    const secondKek = { type: 'local-file', path: '/var/lib/quaymaster-keys/second.key' };
    const values = { ...WITHOUT_FILES, config: { ...config, secondKek } };
    expect(claimsOf(await renderChart(helm, values))).toEqual(['quaymaster-keys']);
  });

  it('asks for ReadWriteOnce where one pod at a time mounts a claim, if the values say so', async () => {
    const storage = { keys: { accessMode: 'ReadWriteOnce' } };
    const config = { store: { type: 'postgres' } };
    const one = { config, postgres: { secretName: 'store' }, storage };
    const claim = only(await renderChart(helm, one), 'PersistentVolumeClaim');
    expect(claim['spec']).toMatchObject({ accessModes: ['ReadWriteOnce'] });
  });

  const ONCE = { accessMode: 'ReadWriteOnce' };
  const withBackups = { ...WITHOUT_FILES.config, backup: BACKUP };
  it.each([
    [
      'a log key in the store with a key-encryption key in a file',
      { config: { audit: { logKey: 'store' } } },
      /wrapped by a file that needs the volume/,
    ],
    [
      'a checkpoint in a bucket with SQLite',
      { config: { audit: { checkpoint: WITHOUT_FILES.config.audit.checkpoint } } },
      /config\.store\.type is not postgres/,
    ],
    [
      'a claim of keys that no pod mounts',
      { ...WITHOUT_FILES, storage: { keys: { existingClaim: 'keys' } } },
      /no pod mounts it/,
    ],
    [
      'backups of several replicas on ReadWriteOnce',
      { ...WITHOUT_FILES, config: withBackups, replicas: 2, storage: { backups: ONCE } },
      /storage\.backups\.accessMode is ReadWriteOnce.*own tools/,
    ],
    [
      'keys of one replica on ReadWriteOnce, with two pods during an upgrade',
      {
        config: { store: { type: 'postgres' } },
        postgres: { secretName: 'store' },
        updateStrategy: 'RollingUpdate',
        storage: { keys: ONCE },
      },
      /storage\.keys\.accessMode is ReadWriteOnce.*updateStrategy: RollingUpdate/,
    ],
  ])('refuses %s, with a remedy', async (_, values, words) => {
    const { code, stdout, stderr } = await templateChart(helm, values);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(words);
  });
});
