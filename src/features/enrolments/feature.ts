import type { Option } from '../feature.ts';
import { renewalWorker } from './renewal.ts';
import * as enrolmentRoutes from './routes.ts';

const routes = { ...enrolmentRoutes };

/** Clusters enrol with a code, and the broker renews the credentials that they gave it. */
export const enrolments = {
  routes,
  open: () => ({ workers: (parts) => [renewalWorker(parts)] }),
} satisfies Option;
