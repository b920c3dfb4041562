"""What the studies share: starting the server, loading it, keeping records, tables and charts.

A study is a list of cases (cases.py). Each case is run against a server of its own (campaign.py)
and leaves one record (records.py); tables, charts and the page are made from records alone. A new
study needs

  * cases: `Case(experiment, name, Load(...), settings={"CPSS_...": ...}, server_cpus=, client_cpus=,
    labels=)`, with `skip` set where it cannot be run here (`unknown_settings`);
  * a runner: `one_load`, or a function of its own that uses `Server` and `blast.run` in another way
    and returns what the record is to hold, raising CaseFailed;
  * `Study(name, title, experiment, report)`, whose report makes a Table and charts of records;
  * a command: options, `Store`, `run_cases`, `publish`, as in matrix_command.py;
  * a place in page.STUDIES.
"""
