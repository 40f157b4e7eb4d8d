"""The verb `fetch`: a prefetch by hand, by the same rules and checks as one that a message asks for."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Annotated

import typer

from prefetch import model, orders, timing
from prefetch.cli import terms

SOURCE = "by hand"


def fetch(
    *,
    config: terms.ConfigOption = None,
    accession: Annotated[
        str | None,
        typer.Option(
            "--accession", metavar="ORDER", help="An order that is known: fetched now, whatever its time."
        ),
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="A patient for whom no order has come.")
    ] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", help="Issuer of that patient ID.")] = None,
    birth_date: Annotated[
        str | None, typer.Option("--birth-date", metavar="YYYYMMDD", help="Checked against each study.")
    ] = None,
    sex: Annotated[
        str | None, typer.Option("--sex", metavar="M|F|O", help="Checked against each study.")
    ] = None,
    modality: Annotated[str | None, typer.Option("--modality", help="What the rules are to see.")] = None,
    procedure: Annotated[
        str | None, typer.Option("--procedure", metavar="TEXT", help="Procedure description, for the rules.")
    ] = None,
    station: Annotated[str | None, typer.Option("--station", metavar="AE", help="Station AE title.")] = None,
    by: terms.ByOption = None,
) -> None:
    """Fetch priors at once: of an order that is known, or as if a patient's order had come now."""
    if (accession is None) == (patient is None):
        terms.stop(terms.Exit.WRONG_USE, "name either --accession (an order) or --patient")
    site = terms.load_site(config)
    now = timing.now()
    with terms.writing(site) as connection:
        from prefetch.store import history  # noqa: PLC0415 (SQLAlchemy costs start-up time)
        from prefetch.store import orders as rows  # noqa: PLC0415 (the same)

        if accession is not None:
            known = terms.the_order(connection, accession)
            if orders.wants_nothing(known):
                terms.stop(terms.Exit.NO, f"{known.name} is {known.status.value}; nothing is fetched for it")
            order = replace(
                known,
                fetch_now=True,
                answers_since=now,
                version=known.version + 1,
                plan_at=now,
                plan_attempts=0,
            )
        else:
            order = model.Order(
                id=0,
                version=1,
                status=model.OrderStatus.SCHEDULED,
                patient=model.Patient(
                    patient_id=patient, issuer_of_patient_id=issuer, birth_date=birth_date, sex=sex
                ),
                source=SOURCE,
                placer_order_number=f"BY-HAND-{uuid.uuid4().hex[:8].upper()}",
                modality=modality,
                procedure_description=procedure,
                station_ae_title=station,
                created_at=now,
                changed_at=now,
                plan_at=now,
                fetch_now=True,
                answers_since=now,
            )
        kept = rows.save_order(connection, order)
        history.record(
            connection,
            model.Happening(
                at=now, what="fetch_asked_by_hand", order_id=kept.id, detail={"by": terms.who(by)}
            ),
        )
    typer.echo(f"{kept.name} is planned within a second; see: prefetch explain {kept.name!r}")
