"""What the studies share: starting the server, loading it, keeping records, tables and charts.

A study is a list of cases (cases.py). Each case is run against a server of its own (campaign.py)
and leaves one record (records.py); tables, charts and the page are made from records alone.
"""
