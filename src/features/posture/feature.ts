import { documentRoutes } from '../../api/routes/documents.ts';
import * as evidenceRoutes from './routes/evidence.ts';
import * as postureRoutes from './routes/posture.ts';
import { EnforcedProfiles } from './enforced-profiles.ts';
import { evidenceFollower, ImageEvidence } from './evidence-memory.ts';
import { evidenceWorker } from './evidence-worker.ts';
import { JudgedPods } from './judged-pods.ts';
import { postureFitness } from './judge-posture.ts';
import { postureMetrics, type PostureMeasured } from './posture-metrics.ts';
import { Profiles } from './profiles.ts';
import { ReportReader } from './report-reader.ts';
import { secretValueFollower, SecretValueMemory } from './secret-value-memory.ts';
import { secretValueWorker } from './secret-value-worker.ts';
import { WatchedReports } from './watched-reports.ts';
import type { Option } from '../feature.ts';
import { NO_STATEMENTS, type Posture } from './judging.ts';

declare module '../../api/request/request-deps.ts' {
  interface ServedParts
    extends Omit<Posture, 'attestations'>, Pick<PostureMeasured, 'watchedReports'> {}
}

const routes = {
  ...postureRoutes,
  ...evidenceRoutes,
  ...documentRoutes('posture-profile', 'PostureProfile', 'PostureProfiles', 'posture-profiles'),
};

/** Pods get secrets only if they meet posture profiles, judged by evidence and signatures of their images. Without the option `attestations` no image is signed. */
export const posture = {
  routes,
  open({ store, clock, clusters, tasks, earlier }) {
    const profiles = new Profiles();
    const { attestations = NO_STATEMENTS } = earlier;
    const evidence = new ImageEvidence(store);
    const reportReader = new ReportReader(clock, tasks);
    const secretValues = new SecretValueMemory();
    const judgedPods = new JudgedPods();
    const memory = { profiles, evidence, secretValues, judgedPods };
    const judging = { ...memory, attestations, clock, clusters };
    let reports: WatchedReports | undefined;
    return {
      parts: {
        ...memory,
        reports: reportReader,
        enforcement: new EnforcedProfiles(judging),
        watchedReports: () => reports?.counts() ?? new Map(),
      },
      ports: { fitness: postureFitness(judging) },
      views: [profiles],
      warnings: () => (profiles.hasEarlierDefaults ? ['profile_defaults'] : []),
      followers: [evidenceFollower(evidence), secretValueFollower(secretValues)],
      watching: (parts) => {
        reports = new WatchedReports(parts);
        return { profiles, reports };
      },
      workers: (parts) => [evidenceWorker(parts), secretValueWorker(parts)],
      stop: () => reportReader.close(),
    };
  },
  metrics: postureMetrics,
} satisfies Option;
