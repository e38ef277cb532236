# One image for every process; docker-compose.yml says which command each runs.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/engage
# The locked dependencies first: they change more seldom than the code.
COPY requirements.lock ./
RUN /opt/engage/bin/python -m pip install --no-cache-dir --no-compile --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY engage engage
COPY workers workers
RUN /opt/engage/bin/python -m pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/engage engage
COPY --from=build /opt/engage /opt/engage
WORKDIR /project
COPY --chown=engage journeys journeys
COPY --chown=engage templates templates
RUN install -d -o engage -g engage /var/lib/engage
ENV PATH=/opt/engage/bin:$PATH PYTHONUNBUFFERED=1 ENGAGE_PROJECT=/project ENGAGE_DATA_DIR=/var/lib/engage ENGAGE_LISTEN=0.0.0.0:8000
USER engage
EXPOSE 8000
ENTRYPOINT ["engage"]
CMD ["api"]
