import * as attestationRoutes from '../../features/attestations/routes.ts';
import { documentRoutes } from '../../api/routes/documents.ts';
import * as evidenceRoutes from '../../features/posture/routes/evidence.ts';
import * as postureRoutes from '../../features/posture/routes/posture.ts';
import { attestationFollower, Attestations } from '../../features/attestations/attestation-memory.ts';
import { AttestationReader } from '../../features/attestations/attestation-reader.ts';
import { taskQueue } from '../../broker/kernel/task-thread.ts';
import { EnforcedProfiles } from '../../features/posture/enforced-profiles.ts';
import { evidenceFollower, ImageEvidence } from '../../features/posture/evidence-memory.ts';
import { evidenceWorker } from '../../broker/posture/evidence-worker.ts';
import { JudgedPods } from '../../features/posture/judged-pods.ts';
import { postureFitness } from '../../features/posture/judge-posture.ts';
import { postureMetrics } from '../../features/posture/posture-metrics.ts';
import { Profiles } from '../../features/posture/profiles.ts';
import { ReportReader } from '../../features/posture/report-reader.ts';
import {
  secretValueFollower,
  SecretValueMemory,
} from '../../features/posture/secret-value-memory.ts';
import { secretValueWorker } from '../../features/posture/secret-value-worker.ts';
import { WatchedReports } from '../../features/posture/watched-reports.ts';
import type { Option } from './feature.ts';

const routes = {
  ...postureRoutes,
  ...attestationRoutes,
  ...evidenceRoutes,
  ...documentRoutes('posture-profile', 'PostureProfile', 'PostureProfiles', 'posture-profiles'),
};

/** Pods get secrets only if they meet posture profiles, judged by evidence and signatures of their images. */
export const posture = {
  routes,
  open({ store, rows, clock, clusters }) {
    const profiles = new Profiles();
    const tasks = taskQueue();
    const attestationReader = new AttestationReader(clock, tasks);
    const attestations = new Attestations(store, rows, attestationReader);
    const evidence = new ImageEvidence(store);
    const reportReader = new ReportReader(clock, tasks);
    const secretValues = new SecretValueMemory();
    const judgedPods = new JudgedPods();
    const memory = { profiles, attestations, evidence, secretValues, judgedPods };
    const judging = { ...memory, clock, clusters };
    let reports: WatchedReports | undefined;
    return {
      parts: {
        ...memory,
        reports: reportReader,
        attestationReader,
        enforcement: new EnforcedProfiles(judging),
        watchedReports: () => reports?.counts() ?? new Map(),
      },
      ports: { fitness: postureFitness(judging) },
      views: [profiles],
      warnings: () => (profiles.hasEarlierDefaults ? ['profile_defaults'] : []),
      followers: [
        attestationFollower(attestations),
        evidenceFollower(evidence),
        secretValueFollower(secretValues),
      ],
      watching: (parts) => {
        reports = new WatchedReports(parts);
        return { profiles, reports };
      },
      workers: (parts) => [evidenceWorker(parts), secretValueWorker(parts)],
      stop: async () => {
        await Promise.all([reportReader.close(), attestationReader.close()]);
      },
    };
  },
  metrics: postureMetrics,
} satisfies Option;
