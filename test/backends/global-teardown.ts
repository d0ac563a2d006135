/** Runs once after all suites. */
export default function globalTeardown(): void {
  // No backend is stopped yet.
}
