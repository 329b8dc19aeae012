"""What the pages are made of; with app.py and pages/ the only place that imports Streamlit."""
