import type { Routes } from '../api/request/route.ts';
import type { CoreRoutes } from '../api/routes/index.ts';
import { alerts } from './alerts/feature.ts';
import { approvals } from './approvals/feature.ts';
import { attestations } from './attestations/feature.ts';
import { copies } from './copies/feature.ts';
import { customResources } from './custom-resources/feature.ts';
import { enrolments } from './enrolments/feature.ts';
import type { Option } from './feature.ts';
import { posture } from './posture/feature.ts';

/** The options of the program: all that there are. An option may use the parts of those before it. */
export const OPTIONS: readonly Option[] = [
  copies,
  customResources,
  enrolments,
  approvals,
  attestations,
  posture,
  alerts,
];

/** Routes of all options. A row of `access.ts` that has a route neither here nor in the core does not compile. */
export const OPTION_ROUTES: Omit<Routes, keyof CoreRoutes> = {
  ...copies.routes,
  ...enrolments.routes,
  ...approvals.routes,
  ...attestations.routes,
  ...posture.routes,
  ...alerts.routes,
};

export function routesOf(options: readonly Option[]): Partial<Routes> {
  return Object.assign({}, ...options.map(({ routes }) => routes)) as Partial<Routes>;
}
