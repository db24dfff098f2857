// The page of one event.
import { useLoad } from "../../api/client";
import { type Event } from "../../api/event";
import { Loading, Page, Problem } from "../../ui";
import type { PageProps } from "../part";
import { EventActions, EventBody, useTitle } from "./body";
import { t } from "./texts";

export default function EventPage({ params, title }: PageProps) {
  const id = params.id ?? "";
  const { data, error, reload } = useLoad<Event>(`/api/events/${encodeURIComponent(id)}`);
  const event = data?.id === id ? data : undefined;
  const own = useTitle(event);
  if (error) {
    return (
      <Page title={title}>
        {error.status === 404 ? (
          <p class="problem" role="alert">
            {t("event.gone")} <a href="/events">{t("event.toList")}</a>
          </p>
        ) : (
          <Problem error={error} retry={reload} />
        )}
      </Page>
    );
  }
  if (!event || own === undefined) return <Loading />;
  return (
    <Page key={id} wide title={own} actions={<EventActions event={event} />}>
      <EventBody event={event} />
    </Page>
  );
}
