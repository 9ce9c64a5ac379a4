// What a subscriber may write, and what the compiler has to refuse.
import type { EnvironmentReady, PrestageEvent } from "../index.js";

export function address(event: PrestageEvent): string | undefined {
  switch (event["detail-type"]) {
    case "EnvironmentReady":
      return event.detail.data.environment.address;
    case "EnvironmentFailed":
      return event.detail.data.log_url ?? undefined;
    default:
      return undefined;
  }
}

export function author(event: EnvironmentReady): string {
  // @ts-expect-error An environment of a branch has no pull request.
  return event.detail.data.environment.pull_request.author;
}

export function told(event: PrestageEvent): unknown {
  // @ts-expect-error Which event it is has to be asked first.
  return event.detail.data.environment;
}

export function compared(event: PrestageEvent): boolean {
  // @ts-expect-error No event has this name.
  return event["detail-type"] === "EnvironmentReddy";
}

export function changed(event: EnvironmentReady): void {
  // @ts-expect-error A fact does not change.
  event.detail.data.environment.generation = 2;
}
